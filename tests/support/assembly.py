"""What tests read of assembly, of a compiler (-S) or of objdump: vectors that lie on the stack."""

from __future__ import annotations

import re

_STACK = r"(?:\(%rsp|-(?:0x)?[0-9a-f]+\(%rbp)"
"""A place on x86's stack: above rsp, or below rbp, which elsewhere is a pointer like others."""
VECTOR_ON_STACK = re.compile(
    rf"%[xyz]mm.*{_STACK}|{_STACK}.*%[xyz]mm|^\s+(?:ldr|str|ldp|stp|ldur|stur)\s+q.*\[(?:sp|x29)\b"
)
"""An instruction that reads or writes a vector there; the last form is Arm's."""
