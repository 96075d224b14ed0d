"""Painters that are elsewhere: one served over HTTP, and any number of them as one."""
