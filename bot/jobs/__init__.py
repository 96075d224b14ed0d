"""Answering accepted requests: one job, one message."""
