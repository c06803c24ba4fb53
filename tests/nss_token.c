/* NSS's software token as any other PKCS#11 module: it wants to be told its folder when it is initialised, which who calls
 * it by the standard does not do. The folder comes from the environment, all else from libsoftokn3 itself. */
#include <dlfcn.h>
#include <stddef.h>
#include <stdlib.h>

typedef unsigned long ck_rv;
struct functions {
    unsigned long version; /* two octets, and padding */
    ck_rv (*initialize)(void *);
    void *others[67];
};
struct nss_arguments {
    void *mutexes[4];
    unsigned long flags;
    char *parameters;
    void *reserved;
};
enum { OS_LOCKING_OK = 2, GENERAL_ERROR = 5 };

static struct functions ours;
static ck_rv (*initialize_nss)(void *);

static ck_rv initialize(void *given) {
    struct nss_arguments arguments = {.flags = OS_LOCKING_OK, .parameters = getenv("NSS_TOKEN")};
    (void)given;
    return initialize_nss(&arguments);
}

ck_rv C_GetFunctionList(struct functions **out) {
    void *module = dlopen("libsoftokn3.so", RTLD_NOW | RTLD_GLOBAL);
    ck_rv (*get)(struct functions **) = NULL;
    struct functions *theirs;

    if (module != NULL)
        get = (ck_rv(*)(struct functions **))dlsym(module, "C_GetFunctionList");
    if (get == NULL || get(&theirs) != 0)
        return GENERAL_ERROR;
    ours = *theirs;
    initialize_nss = theirs->initialize;
    ours.initialize = initialize;
    *out = &ours;
    return 0;
}
