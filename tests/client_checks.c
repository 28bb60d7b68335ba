#include "check.h"
const struct check client_checks[] = {{NULL, NULL}};
