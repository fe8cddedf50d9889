// Its header wants that of files before it.
#include <stdio.h>

#include <jpeglib.h>
