#include <mpi.h>

// Open MPI's handles are macros that cast the address of a global variable, which Swift cannot import. The functions
// below make these macros visible to Swift, and do nothing else.

static inline MPI_Comm ompi_shim_comm_world(void) { return MPI_COMM_WORLD; }
static inline MPI_Comm ompi_shim_comm_self(void) { return MPI_COMM_SELF; }
static inline MPI_Comm ompi_shim_comm_null(void) { return MPI_COMM_NULL; }
static inline MPI_Request ompi_shim_request_null(void) { return MPI_REQUEST_NULL; }
static inline MPI_Errhandler ompi_shim_errors_return(void) { return MPI_ERRORS_RETURN; }
static inline void *ompi_shim_in_place(void) { return MPI_IN_PLACE; }

static inline MPI_Datatype ompi_shim_float(void) { return MPI_FLOAT; }
static inline MPI_Datatype ompi_shim_double(void) { return MPI_DOUBLE; }
static inline MPI_Datatype ompi_shim_int32(void) { return MPI_INT32_T; }
static inline MPI_Datatype ompi_shim_int64(void) { return MPI_INT64_T; }
static inline MPI_Datatype ompi_shim_uint8(void) { return MPI_UINT8_T; }
static inline MPI_Datatype ompi_shim_uint16(void) { return MPI_UINT16_T; }
static inline MPI_Datatype ompi_shim_uint32(void) { return MPI_UINT32_T; }
static inline MPI_Datatype ompi_shim_uint64(void) { return MPI_UINT64_T; }

static inline MPI_Op ompi_shim_sum(void) { return MPI_SUM; }
static inline MPI_Op ompi_shim_min(void) { return MPI_MIN; }
static inline MPI_Op ompi_shim_max(void) { return MPI_MAX; }
static inline MPI_Op ompi_shim_logical_and(void) { return MPI_LAND; }
static inline MPI_Op ompi_shim_logical_or(void) { return MPI_LOR; }
static inline MPI_Op ompi_shim_bitwise_and(void) { return MPI_BAND; }
static inline MPI_Op ompi_shim_bitwise_or(void) { return MPI_BOR; }
static inline MPI_Op ompi_shim_bitwise_xor(void) { return MPI_BXOR; }
