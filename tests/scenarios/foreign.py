# SPDX-License-Identifier: GPL-2.0-or-later
"""Each act seals a parcel by a C library (parcels.c, --lib=DIR), and releases it if --release=1."""
import ctypes
import os

from course import Course

PARCEL_BYTES = 240


def seal_one(library, number):
    return library.parcel_seal(b"parcel %d" % number, PARCEL_BYTES)


def main():
    course = Course(50)
    library = ctypes.CDLL(os.path.join(course.options["lib"], "parcels.so"))
    library.parcel_seal.restype = ctypes.c_void_p
    library.parcel_seal.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
    library.parcel_release.argtypes = [ctypes.c_void_p]
    release = course.number("release", 0)
    for number in course.steps():
        parcel = seal_one(library, number)
        if release:
            library.parcel_release(parcel)
        else:
            course.grew(PARCEL_BYTES)
        parcel = None


if __name__ == "__main__":
    main()
