#include <hdf5.h>

// Accessors for the macros of hdf5.h that Swift does not import: those that call H5open() before naming a library
// variable (types, property list classes, access flags), and those that contain casts. Like any other libhdf5 function,
// they must be called from one thread at a time.

#define OBORO_ACCESSOR(type, macro) \
  static inline type get_##macro(void) { return macro; }

// Element types in memory.
OBORO_ACCESSOR(hid_t, H5T_NATIVE_FLOAT)
OBORO_ACCESSOR(hid_t, H5T_NATIVE_DOUBLE)
OBORO_ACCESSOR(hid_t, H5T_NATIVE_INT8)
OBORO_ACCESSOR(hid_t, H5T_NATIVE_INT16)
OBORO_ACCESSOR(hid_t, H5T_NATIVE_INT32)
OBORO_ACCESSOR(hid_t, H5T_NATIVE_INT64)
OBORO_ACCESSOR(hid_t, H5T_NATIVE_UINT8)
OBORO_ACCESSOR(hid_t, H5T_NATIVE_UINT16)
OBORO_ACCESSOR(hid_t, H5T_NATIVE_UINT32)
OBORO_ACCESSOR(hid_t, H5T_NATIVE_UINT64)

// Element types in files.
OBORO_ACCESSOR(hid_t, H5T_IEEE_F32LE)
OBORO_ACCESSOR(hid_t, H5T_IEEE_F32BE)
OBORO_ACCESSOR(hid_t, H5T_IEEE_F64LE)
OBORO_ACCESSOR(hid_t, H5T_IEEE_F64BE)
OBORO_ACCESSOR(hid_t, H5T_STD_I8LE)
OBORO_ACCESSOR(hid_t, H5T_STD_I8BE)
OBORO_ACCESSOR(hid_t, H5T_STD_I16LE)
OBORO_ACCESSOR(hid_t, H5T_STD_I16BE)
OBORO_ACCESSOR(hid_t, H5T_STD_I32LE)
OBORO_ACCESSOR(hid_t, H5T_STD_I32BE)
OBORO_ACCESSOR(hid_t, H5T_STD_I64LE)
OBORO_ACCESSOR(hid_t, H5T_STD_I64BE)
OBORO_ACCESSOR(hid_t, H5T_STD_U8LE)
OBORO_ACCESSOR(hid_t, H5T_STD_U8BE)
OBORO_ACCESSOR(hid_t, H5T_STD_U16LE)
OBORO_ACCESSOR(hid_t, H5T_STD_U16BE)
OBORO_ACCESSOR(hid_t, H5T_STD_U32LE)
OBORO_ACCESSOR(hid_t, H5T_STD_U32BE)
OBORO_ACCESSOR(hid_t, H5T_STD_U64LE)
OBORO_ACCESSOR(hid_t, H5T_STD_U64BE)
OBORO_ACCESSOR(hid_t, H5T_C_S1)
OBORO_ACCESSOR(size_t, H5T_VARIABLE)
OBORO_ACCESSOR(hid_t, H5T_STD_REF_OBJ)

// Property list classes.
OBORO_ACCESSOR(hid_t, H5P_FILE_CREATE)
OBORO_ACCESSOR(hid_t, H5P_FILE_ACCESS)
OBORO_ACCESSOR(hid_t, H5P_GROUP_CREATE)
OBORO_ACCESSOR(hid_t, H5P_DATASET_CREATE)
OBORO_ACCESSOR(hid_t, H5P_LINK_CREATE)

// Access flags, object types, and the address of objects without storage in the file.
OBORO_ACCESSOR(unsigned, H5F_ACC_RDONLY)
OBORO_ACCESSOR(unsigned, H5F_ACC_TRUNC)
OBORO_ACCESSOR(unsigned, H5F_ACC_EXCL)
OBORO_ACCESSOR(unsigned, H5F_OBJ_ALL)
OBORO_ACCESSOR(unsigned, H5F_OBJ_LOCAL)
OBORO_ACCESSOR(haddr_t, HADDR_UNDEF)

#undef OBORO_ACCESSOR
