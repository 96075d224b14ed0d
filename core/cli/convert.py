"""`imagine-sound convert`: the sound of a recording as a WAV file, as the classifier hears it."""

import argparse

from core.cli.common import load_settings, require_file
from core.cli.output import check_output
from core.errors import ExitCode
from core.files import written_whole
from core.hearing.audio import convert_to_wav


def run(options: argparse.Namespace) -> int:
    """Write the WAV. Raises RecordingError, WouldOverwrite, WrongSetting."""
    require_file(options.source)
    check_output(options.target, [options.source], [".wav"], replace=options.force)
    limits = load_settings().audio_limits
    with written_whole(options.target) as temporary:
        seconds = convert_to_wav(options.source, temporary, limits)
    print(f"{options.target} ({seconds:.1f} s)")
    return ExitCode.DONE
