/* SHA-256 by libmd. */
#include <sha2.h>

#include "kernels/base.h"

struct kn_digest {
    SHA2_CTX context;
};

kn_digest *kn_digest_new(kn_error *err)
{
    kn_digest *d = kn_alloc(1, sizeof *d, err);
    if (d)
        SHA256Init(&d->context);
    return d;
}

void kn_digest_add(kn_digest *d, const void *p, size_t n)
{
    SHA256Update(&d->context, p, n);
}

void kn_digest_end(kn_digest *d, char hex[65])
{
    uint8_t raw[SHA256_DIGEST_LENGTH];
    SHA256Final(raw, &d->context);
    for (int i = 0; hex && i < SHA256_DIGEST_LENGTH; i++)
        snprintf(hex + (size_t)i * 2, 3, "%02x", raw[i]);
    kn_free(d);
}
