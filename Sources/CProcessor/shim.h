// Properties of the processor that compiler and C library expose through macros and builtins, which Swift does not
// import.
#pragma once
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <sched.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/// Tells the processor that this is a spin-wait loop: `__builtin_ia32_pause` is a builtin.
static inline void oboro_spin_pause(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

/// Prefetches the cache line at `address`, which may be any address: `__builtin_prefetch` is a builtin.
static inline void oboro_prefetch(const void *address) { __builtin_prefetch(address); }

/// Like `oboro_prefetch`, for a line that is used only once, without evicting others from the larger caches.
static inline void oboro_prefetch_passing(const void *address) { __builtin_prefetch(address, 0, 0); }

/// Like `oboro_prefetch`, for a line that will be written.
static inline void oboro_prefetch_for_writing(const void *address) { __builtin_prefetch(address, 1); }

typedef float oboro_vector __attribute__((ext_vector_type(16)));

/// The square root of each element, with a single instruction where available: Swift's is computed one by one.
static inline oboro_vector oboro_square_roots(oboro_vector values) { return __builtin_elementwise_sqrt(values); }

typedef unsigned oboro_words __attribute__((ext_vector_type(16)));

/// Whether this program has products of bfloat16: `__AVX512BF16__` is a macro.
static inline bool oboro_has_bf16_products(void) {
#ifdef __AVX512BF16__
  return true;
#else
  return false;
#endif
}

#ifdef __AVX512BF16__
typedef __bf16 oboro_halves __attribute__((vector_size(64)));
typedef float oboro_floats __attribute__((vector_size(64)));
typedef unsigned short oboro_shorts __attribute__((ext_vector_type(32)));
#endif

/// sum + Σ of both halves of a times those of b, lane by lane; each word holds two bfloat16. Swift imports neither the
/// type nor the builtins. Without the instruction, nobody calls these.
static inline oboro_vector oboro_add_bf16_products(oboro_vector sum, oboro_words a, oboro_words b) {
#ifdef __AVX512BF16__
  return (oboro_vector)__builtin_ia32_dpbf16ps_512((oboro_floats)sum, (oboro_halves)a, (oboro_halves)b);
#else
  return sum;
#endif
}

/// Sixteen words, each with an element of `low` and one of `high`, rounded to bfloat16.
static inline oboro_words oboro_bf16_pairs(oboro_vector low, oboro_vector high) {
#ifdef __AVX512BF16__
  oboro_shorts row = (oboro_shorts)__builtin_ia32_cvtne2ps2bf16_512((oboro_floats)high, (oboro_floats)low);
  return (oboro_words)__builtin_shufflevector(row, row, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23, 8, 24, 9,
                                              25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
#else
  return (oboro_words)low;
#endif
}

/// The elements of `first` and then those of `second`, rounded to bfloat16, two in a word.
static inline oboro_words oboro_bf16_row(oboro_vector first, oboro_vector second) {
#ifdef __AVX512BF16__
  return (oboro_words)__builtin_ia32_cvtne2ps2bf16_512((oboro_floats)second, (oboro_floats)first);
#else
  return (oboro_words)first;
#endif
}

/// Names the calling thread for system tools, with at most 15 characters: `prctl` is variadic.
static inline void oboro_name_thread(const char *name) { prctl(PR_SET_NAME, name, 0, 0, 0); }

/// The system's ID of the calling thread: `SYS_gettid` is a macro.
static inline int oboro_thread_number(void) { return (int)syscall(SYS_gettid); }

/// Switches a thread to idle priority, or back to normal: `SCHED_IDLE` requires _GNU_SOURCE. Has no effect if the
/// system refuses.
static inline void oboro_run_when_idle(int thread, bool is_wanted) {
  struct sched_param none = {0};
  sched_setscheduler(thread, is_wanted ? SCHED_IDLE : SCHED_OTHER, &none);
}

/// Whether the calling thread runs at idle priority.
static inline bool oboro_runs_when_idle(void) { return sched_getscheduler(0) == SCHED_IDLE; }

/// Creates an anonymous file in memory, or returns a negative number if that is unsupported: `memfd_create` requires
/// _GNU_SOURCE.
static inline int oboro_create_memory_file(const char *label) { return memfd_create(label, MFD_CLOEXEC); }

/// Converts memory in use to large pages; returns whether all of it has them now. Supported since Linux 6.1; the number
/// is used because the C library's macro `MADV_COLLAPSE` is too recent for many systems.
static inline bool oboro_make_pages_large(void *start, size_t length) { return madvise(start, length, 25) == 0; }

/// The number of cores that this process may run on, or 0 if the system does not tell: `CPU_COUNT` is a macro.
static inline int oboro_bound_cores(void) {
  cpu_set_t set;
  return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 0;
}

/// Whether this program uses registers of sixteen floats, of which there are 32: `__AVX512F__` is a macro.
static inline bool oboro_has_wide_registers(void) {
#ifdef __AVX512F__
  return true;
#else
  return false;
#endif
}

/// The first processor feature that this program was compiled for but this machine lacks, or NULL: `__AVX512F__` and
/// similar are macros, and `__builtin_cpu_supports` is a builtin.
static inline const char *oboro_missing_processor_feature(void) {
#if defined(__x86_64__)
  __builtin_cpu_init();
#ifdef __AVX2__
  if (!__builtin_cpu_supports("avx2")) return "AVX2";
#endif
#ifdef __FMA__
  if (!__builtin_cpu_supports("fma")) return "FMA";
#endif
#ifdef __AVX512F__
  if (!__builtin_cpu_supports("avx512f")) return "AVX-512F";
#endif
#ifdef __AVX512BW__
  if (!__builtin_cpu_supports("avx512bw")) return "AVX-512BW";
#endif
#ifdef __AVX512VL__
  if (!__builtin_cpu_supports("avx512vl")) return "AVX-512VL";
#endif
#ifdef __AVX512BF16__
  if (!__builtin_cpu_supports("avx512bf16")) return "AVX-512BF16";
#endif
#endif
  return 0;
}

/// Whether OpenBLAS's AVX-512 kernels, which require these five features, can run here.
static inline bool oboro_has_avx512(void) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512cd") &&
         __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vl");
#else
  return false;
#endif
}

/// Whether the processor supports bfloat16 dot products.
static inline bool oboro_has_avx512_bf16(void) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx512bf16");
#else
  return false;
#endif
}
