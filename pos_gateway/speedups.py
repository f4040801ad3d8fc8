"""What the gateway does to every receipt, in C where it could be compiled (`_speedups.pyx`); its twins in Python stand
where they are used (`receipts.speedups`).
"""

from runtime.speedups import import_compiled

compiled = import_compiled("pos_gateway._speedups")
