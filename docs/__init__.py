"""The documents, and the scripts that make what is in them."""
