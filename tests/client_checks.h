/* client_checks.h - what every client promises. */
#ifndef CLIENT_CHECKS_H
#define CLIENT_CHECKS_H

#include "check.h"

extern const struct check client_checks[];

/* How many milliseconds a client may take, with everything that it has to send. The verifier makes
 * small pieces of megabytes, each with a look at its rules. */
int long_run_ms(void);

/* How a client must end. */
struct expectation {
    const void *output; /* what standard output must be; NULL: anything */
    size_t length;
    DWORD status;
    const char *error; /* must be on standard error; NULL: that must be empty */
};

/* Runs the program under test to its end with the bytes as its standard input, which stays open if
 * keep_open is true, and notes trouble if the result is not as expected. */
void run_client(const char *arguments, const void *bytes, size_t length, bool keep_open,
                const struct expectation *expected);

#endif
