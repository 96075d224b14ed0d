"""Hearing: from the bytes of a recording to what was heard in it. It knows nothing of pictures."""
