# SPDX-License-Identifier: MIT
"""The client's version: that of the program it came with."""

__version__ = "0.1"
