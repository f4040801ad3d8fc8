# What other compiled modules use of this one.

ctypedef unsigned char octet
ctypedef unsigned long long u64
ctypedef long long i64
ctypedef int (*Hash)(octet* digest, const octet* message, u64 length) noexcept nogil

cdef class Octets:
    cdef octet* octets
    cdef Py_ssize_t size
    cdef Py_ssize_t room

    cdef octet* add(self, Py_ssize_t size) except NULL
    cdef int put(self, const void* octets, Py_ssize_t size) except -1
    cdef int number(self, i64 value, int size) except -1
    cdef bytes whole(self)

cdef Hash sha256
cdef void write_text(octet* to, const octet* cose, Py_ssize_t size) noexcept nogil
