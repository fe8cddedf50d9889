// CBLAS as OpenBLAS declares it, which Swift sees as it is.
#include <stddef.h>
#include <cblas.h>

// LAPACK's routines are in OpenBLAS's library, but Debian's package has no header for them. Fortran's compilers expect
// the lengths of character arguments behind all others.

/// Eigenvalues, and with `job` "V" the eigenvectors, of a symmetric matrix, by divide and conquer.
void dsyevd_(const char *job, const char *triangle, const blasint *n, double *a, const blasint *lda, double *values,
             double *work, const blasint *work_count, blasint *integer_work, const blasint *integer_work_count,
             blasint *info, size_t job_length, size_t triangle_length);

/// Singular values, and with `job` other than "N" the singular vectors, of a matrix, by divide and conquer.
void dgesdd_(const char *job, const blasint *m, const blasint *n, double *a, const blasint *lda, double *values,
             double *u, const blasint *ldu, double *vt, const blasint *ldvt, double *work, const blasint *work_count,
             blasint *integer_work, blasint *info, size_t job_length);
