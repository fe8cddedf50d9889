// CBLAS as declared by OpenBLAS, which Swift imports as is.
#include <stddef.h>
#include <cblas.h>

// OpenBLAS contains the LAPACK routines, but Debian's package has no header for them. Fortran compilers expect the
// lengths of character arguments after all other arguments.

/// Computes the eigenvalues and, if `job` is "V", the eigenvectors of a symmetric matrix, by divide and conquer.
void dsyevd_(const char *job, const char *triangle, const blasint *n, double *a, const blasint *lda, double *values,
             double *work, const blasint *work_count, blasint *integer_work, const blasint *integer_work_count,
             blasint *info, size_t job_length, size_t triangle_length);

/// Computes the singular values and, unless `job` is "N", the singular vectors of a matrix, by divide and conquer.
void dgesdd_(const char *job, const blasint *m, const blasint *n, double *a, const blasint *lda, double *values,
             double *u, const blasint *ldu, double *vt, const blasint *ldvt, double *work, const blasint *work_count,
             blasint *integer_work, blasint *info, size_t job_length);
