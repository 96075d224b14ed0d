"""Which base model a command of fine-tuning works on: what is said, what the resumed run had, or the settings'."""

import argparse

from core.finetuning.model.network import default_base
from core.finetuning.training.settings import RunSettings
from core.settings import CoreSettings


def base_of(args: argparse.Namespace, before: RunSettings | None, settings: CoreSettings) -> tuple[str, str | None]:
    """Its name and its revision on the hub. Raises ModelError."""
    if args.base:
        base, revision = args.base, None
    elif before is not None:
        base, revision = before.base, before.base_revision
    else:
        base, revision = default_base(settings, cpu=args.cpu)
    return base, args.base_revision or revision
