// CBLAS as OpenBLAS declares it. Nothing is added: Swift sees all of it.
#include <cblas.h>
