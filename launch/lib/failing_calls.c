// Makes system calls on files below a folder fail at random: preloaded by launch/verify-faults.
//
//   FAULT_ROOT   the folder; calls on other files, and all before the first open below it, work normally
//   FAULT_CALL   read, write, fsync, rename, open or mmap; pread and pwrite count as read and write
//   FAULT_RARITY one in this many calls fails
//   FAULT_ONCE   if set, only the first
//   FAULT_SEED   determines which
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { most_files = 4096 };
static atomic_bool is_watched[most_files];
static atomic_bool has_begun;
static atomic_ullong state;
static atomic_bool has_failed;

static int is_below(const char *path) {
  const char *root = getenv("FAULT_ROOT");
  return root && path && strncmp(path, root, strlen(root)) == 0;
}

// Whether this call should fail.
static int fails(const char *call) {
  const char *wanted = getenv("FAULT_CALL"), *rarity = getenv("FAULT_RARITY"), *seed = getenv("FAULT_SEED");
  if (!wanted || !rarity || !seed || !atomic_load(&has_begun) || strcmp(wanted, call)) return 0;
  if (getenv("FAULT_ONCE") && atomic_load(&has_failed)) return 0;
  // SplitMix64.
  unsigned long long x =
    strtoull(seed, 0, 10) * 0xD1342543DE82EF95ull + (atomic_fetch_add(&state, 1) + 1) * 0x9E3779B97F4A7C15ull;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
  x ^= x >> 31;
  if (x % strtoull(rarity, 0, 10)) return 0;
  atomic_store(&has_failed, 1);
  return 1;
}

static int is_file(int descriptor) {
  return descriptor >= 0 && descriptor < most_files && atomic_load(&is_watched[descriptor]);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define FAIL(code, result) return errno = (code), (result)

static int opened(const char *path, int descriptor) {
  if (descriptor >= 0 && descriptor < most_files) atomic_store(&is_watched[descriptor], is_below(path));
  if (descriptor >= 0 && is_below(path)) atomic_store(&has_begun, 1);
  return descriptor;
}

#define DEFINE_OPEN(name)                                            \
  int name(const char *path, int flags, ...) {                       \
    va_list list;                                                    \
    va_start(list, flags);                                           \
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(list, mode_t) : 0; \
    va_end(list);                                                    \
    if (is_below(path) && fails("open")) FAIL(EIO, -1);              \
    return opened(path, REAL(name)(path, flags, mode));              \
  }
DEFINE_OPEN(open)
DEFINE_OPEN(open64)

#define DEFINE_OPENAT(name)                                          \
  int name(int folder, const char *path, int flags, ...) {           \
    va_list list;                                                    \
    va_start(list, flags);                                           \
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(list, mode_t) : 0; \
    va_end(list);                                                    \
    if (is_below(path) && fails("open")) FAIL(EIO, -1);              \
    return opened(path, REAL(name)(folder, path, flags, mode));      \
  }
DEFINE_OPENAT(openat)
DEFINE_OPENAT(openat64)

int close(int descriptor) {
  if (descriptor >= 0 && descriptor < most_files) atomic_store(&is_watched[descriptor], 0);
  return REAL(close)(descriptor);
}

ssize_t read(int descriptor, void *bytes, size_t count) {
  if (is_file(descriptor) && fails("read")) FAIL(EIO, -1);
  return REAL(read)(descriptor, bytes, count);
}

ssize_t write(int descriptor, const void *bytes, size_t count) {
  if (is_file(descriptor) && fails("write")) FAIL(ENOSPC, -1);
  return REAL(write)(descriptor, bytes, count);
}

#define DEFINE_PREAD(name, offset_type)                                        \
  ssize_t name(int descriptor, void *bytes, size_t count, offset_type offset) { \
    if (is_file(descriptor) && fails("read")) FAIL(EIO, -1);                   \
    return REAL(name)(descriptor, bytes, count, offset);                       \
  }
DEFINE_PREAD(pread, off_t)
DEFINE_PREAD(pread64, off64_t)

#define DEFINE_PWRITE(name, offset_type)                                              \
  ssize_t name(int descriptor, const void *bytes, size_t count, offset_type offset) { \
    if (is_file(descriptor) && fails("write")) FAIL(ENOSPC, -1);                      \
    return REAL(name)(descriptor, bytes, count, offset);                              \
  }
DEFINE_PWRITE(pwrite, off_t)
DEFINE_PWRITE(pwrite64, off64_t)

int fsync(int descriptor) {
  if (is_file(descriptor) && fails("fsync")) FAIL(EIO, -1);
  return REAL(fsync)(descriptor);
}

int fdatasync(int descriptor) {
  if (is_file(descriptor) && fails("fsync")) FAIL(EIO, -1);
  return REAL(fdatasync)(descriptor);
}

int rename(const char *from, const char *to) {
  if (is_below(to) && fails("rename")) FAIL(EIO, -1);
  return REAL(rename)(from, to);
}

#define DEFINE_MMAP(name, offset_type)                                                        \
  void *name(void *at, size_t count, int protection, int flags, int descriptor, offset_type offset) { \
    if (fails("mmap")) FAIL(ENOMEM, MAP_FAILED);                                              \
    return REAL(name)(at, count, protection, flags, descriptor, offset);                      \
  }
DEFINE_MMAP(mmap, off_t)
DEFINE_MMAP(mmap64, off64_t)
