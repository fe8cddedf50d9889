// jpeglib.h requires stdio.h.
#include <stdio.h>

#include <jpeglib.h>
