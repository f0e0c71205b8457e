/* Says which GPU is found, or why none can be used (exit 1). */
#include <stdio.h>

#include "kernels/backend.h"

int main(void)
{
    kn_error err;
    kn_backend *be = kn_backend_cuda(&err);
    puts(be ? be->describe(be) : err.text);
    kn_backend_close(be);
    return be ? 0 : 1;
}
