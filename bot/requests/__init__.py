"""What people ask for, and how it is taken in: messages, commands, controls and settings."""
