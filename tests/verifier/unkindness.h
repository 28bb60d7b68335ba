/*
 * unkindness.h - what Windows may do and Wine does not. A part of verifier.c.
 *
 * Each kind is allowed by the documentation, or was seen on Windows. A decision depends on the
 * seed, the kind, the socket (the first, the second ...) and how often it was asked for, and not on
 * what other threads do: the same seed always makes the same decisions.
 */
enum kind {
    PIECES,       /* a receive gives fewer bytes than have arrived */
    REFUSALS,     /* a send is refused (WSAEWOULDBLOCK), FD_WRITE comes later; or takes a part;
                     some connections are slow for a while */
    EARLY_CLOSE,  /* FD_CLOSE comes while bytes are still unread */
    EMPTY_READ,   /* FD_READ comes, and there is nothing to read */
    ACCEPT_RESET, /* accept, or AcceptEx, fails with WSAECONNRESET: that client has gone again */
    ACCEPT_FULL,  /* accept fails with WSAEMFILE while others are served: only if it is named */
    PENDING,      /* an operation completes later, though it could immediately */
    IMMEDIATE,    /* an operation completes immediately, though it was about to be pending */
    SHORT_SENDS,  /* an overlapped send completes with fewer bytes */
    ORDER,        /* completions of different sockets come in another order */
    INTERRUPTED,  /* a thread is interrupted before the first receive of a client */
    KINDS
};

static const char *const kind_names[KINDS] = {
    "pieces",  "refusals",  "early_close", "empty_read", "accept_reset", "accept_full",
    "pending", "immediate", "short_sends", "order",      "interrupted",
};

static bool kind_is_on[KINDS];

/* Reads VERIFIER_UNKIND. Unset: all but accept_full, after which a server may rightly wait until a
 * client leaves. A wrong name ends the program. */
static void choose_kinds(void)
{
    char names[300], number[20];
    char *end;

    if (GetEnvironmentVariableA("VERIFIER_SEED", number, sizeof number) != 0) {
        seed = strtoul(number, &end, 10);
        if (*end != '\0') {
            fprintf(stderr, "verifier: VERIFIER_SEED=%s is not a number\n", number);
            ExitProcess(2);
        }
    }
    if (GetEnvironmentVariableA("VERIFIER_UNKIND", names, sizeof names) == 0) {
        for (int i = 0; i < KINDS; i++)
            kind_is_on[i] = i != ACCEPT_FULL;
        return;
    }
    for (char *name = strtok(names, ","); name != NULL; name = strtok(NULL, ",")) {
        int i = 0;
        while (i < KINDS && strcmp(name, kind_names[i]) != 0)
            i++;
        if (i < KINDS) {
            kind_is_on[i] = true;
            continue;
        }
        fprintf(stderr, "verifier: VERIFIER_UNKIND: there is no kind %s\n", name);
        ExitProcess(2);
    }
}

static unsigned mixed(unsigned value)
{
    value = (value ^ (value >> 16)) * 0x85ebca6bu;
    value = (value ^ (value >> 13)) * 0xc2b2ae35u;
    return value ^ (value >> 16);
}

/* A number that depends only on the seed, the kind, the socket's number, and how often it was asked
 * for. */
static unsigned draw(enum kind kind, unsigned socket_number, unsigned nth)
{
    return mixed(mixed(mixed(seed * 31u + (unsigned)kind) + socket_number * 0x9e3779b9u) + nth);
}

/* True once in this many times. */
static bool chance(enum kind kind, unsigned socket_number, unsigned nth, unsigned one_in)
{
    return seed != 0 && kind_is_on[kind] && draw(kind, socket_number, nth) % one_in == 0;
}
