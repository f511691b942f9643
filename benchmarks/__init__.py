"""The figures we live by, one command each; the last line of each is one JSON object."""

import os

# As the `featurescope` command has it: idle threads of torch sleep instead of keeping others from their cores.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
