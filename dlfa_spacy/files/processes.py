"""Whether a process is still there."""

from __future__ import annotations

import os
import sys

if sys.platform == "win32":
    import ctypes
    from ctypes import wintypes

    # From winnt.h, winerror.h and winbase.h.
    _SYNCHRONIZE = 0x00100000
    _ACCESS_DENIED = 5
    _TIMEOUT = 0x102

    _KERNEL = ctypes.WinDLL("kernel32", use_last_error=True)
    _KERNEL.OpenProcess.argtypes = [wintypes.DWORD, wintypes.BOOL, wintypes.DWORD]
    _KERNEL.OpenProcess.restype = wintypes.HANDLE
    _KERNEL.WaitForSingleObject.argtypes = [wintypes.HANDLE, wintypes.DWORD]
    _KERNEL.WaitForSingleObject.restype = wintypes.DWORD
    _KERNEL.CloseHandle.argtypes = [wintypes.HANDLE]

    def _exists(process: int) -> bool:
        # There `os.kill(process, 0)` does not ask: 0 is Ctrl-C.
        handle = _KERNEL.OpenProcess(_SYNCHRONIZE, False, process)
        if not handle:
            return ctypes.get_last_error() == _ACCESS_DENIED
        try:
            return bool(_KERNEL.WaitForSingleObject(handle, 0) == _TIMEOUT)
        finally:
            _KERNEL.CloseHandle(handle)

else:

    def _exists(process: int) -> bool:
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return True


def is_running(process: int) -> bool:
    """Whether a process of this machine has not ended.

    process (int): Its number.
    RETURNS (bool): True also for one of another user.
    """
    return process == os.getpid() or _exists(process)
