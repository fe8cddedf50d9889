#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

/// Keeps libcrypto until the process is gone: at its exit, threads may still want it. To be called before anything else
/// of it, as often as one likes.
static inline void oboro_keep_crypto(void) { OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, NULL); }
