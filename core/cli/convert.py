"""`imagine-sound convert`: the sound of a recording as a WAV file, as the classifier hears it."""

import argparse

from core.cli.common import load_settings
from core.cli.output import check_output, written_whole
from core.errors import ExitCode, WrongSetting
from core.hearing.audio import convert_to_wav


def run(options: argparse.Namespace) -> int:
    """Write the WAV. Raises RecordingError, WouldOverwrite, WrongSetting."""
    if not options.source.is_file():
        raise WrongSetting(f"there is no file {options.source}.")
    check_output(options.target, [options.source], replace=options.force)
    with written_whole(options.target) as temporary:
        seconds = convert_to_wav(options.source, temporary, load_settings().audio_limits)
    print(f"{options.target} ({seconds:.1f} s)")
    return ExitCode.DONE
