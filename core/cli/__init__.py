"""The command line: `imagine-sound hear | imagine | demo | models | doctor | finetune | evaluate`.

One module a command. Every command module is imported only when it runs, so that `--help` answers at once.
"""
