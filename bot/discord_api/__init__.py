"""Talking to Discord: calls that may fail, permissions, attachments, how often messages may be edited."""
