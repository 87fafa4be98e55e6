"""Without llama-index-core the adapter says what to install."""

import subprocess
import sys


def test_a_missing_package_is_named_with_the_extra_that_brings_it():
    code = (
        "import sys; sys.modules['llama_index.core'] = None\n"
        "try:\n    import mrl_adapters.llama_index\n"
        "except ImportError as error:\n    print(type(error).__name__, error)\n"
    )
    ended = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True, timeout=60
    )
    assert ended.stdout.strip() == (
        "MissingExtraError llama-index-core is not installed. "
        "Run: pip install 'mrl-adapters[llama-index]'"
    )
