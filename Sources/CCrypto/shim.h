#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

/// Prevents libcrypto's cleanup at exit, when threads may still be using it. Must be called before any other libcrypto
/// function, and may be called repeatedly.
static inline void oboro_keep_crypto(void) { OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, NULL); }
