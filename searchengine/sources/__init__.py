"""Where the files of a library are: on a disk, at an address, in an archive; and opening them."""
