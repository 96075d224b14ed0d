"""A stand-in for Discord on 127.0.0.1, and a bench that runs the real bot as a process against it.

`tests/bot` uses a simulator within the process; this one can lose a connection, lose an answer and kill the bot.
`python -m tests.loopback` measures what becomes of people's requests under each fault and writes docs/answered.md.
"""
