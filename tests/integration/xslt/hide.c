/* Hides a library from the dynamic linker (LD_AUDIT), as if it were not installed: see rtld-audit(7). */
#define _GNU_SOURCE
#include <link.h>
#include <string.h>

unsigned int la_version(unsigned int version) {
    return version < LAV_CURRENT ? version : LAV_CURRENT;
}

char *la_objsearch(const char *name, uintptr_t *cookie, unsigned int flag) {
    return strstr(name, "libxslt.so") ? NULL : (char *)name;
}
