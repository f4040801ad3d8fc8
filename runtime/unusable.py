"""What ends a command before it begins: something around us is not as it must be."""


class Unusable(Exception):  # noqa: N818 - named by what is wrong
    """A setting, the data directory or the database cannot be used. The text is for the operator, says what to do, and
    is fit to be shown as it is, without a traceback.
    """
