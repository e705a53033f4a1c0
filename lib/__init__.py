"""Models, data, attacks, metrics and the path from a parameter to a verdict.

Importing it has one effect: on x86-64 it holds torch to AVX2, so that numbers are the same on all such machines; see
`lib.instruction_set`. Import it before torch.
"""

from lib.instruction_set import hold

hold()
