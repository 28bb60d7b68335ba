/*
 * report.h - places, threads, and the report of a broken rule. A part of verifier.c.
 */

/* Rules 3 to 28 have the numbers of the chapters' models; the others begin at 30. course/rules.md
 * explains each of them, and what to do about it. */
enum rule {
    RULE_WAIT = 7,             /* 1 to 64 handles; none of them is closed meanwhile */
    RULE_FAILED_AT_ONCE = 9,   /* an operation that failed immediately has no result */
    RULE_IN_PROGRESS = 10,     /* OVERLAPPED and buffer belong to the system until it completes */
    RULE_BYTE_COUNT = 11,      /* NULL for the byte count of an overlapped call; flags are needed */
    RULE_RESULT = 12,          /* flags of WSAGetOverlappedResult; it waits for events only */
    RULE_ONE_EVENT = 13,       /* an event for each operation in progress */
    RULE_OVERLAPPED_FLAG = 14, /* WSA_FLAG_OVERLAPPED */
    RULE_THREAD_ENDS = 15,     /* the operations of a thread end with it */
    RULE_NOTIFICATION = 17,    /* a routine, an event or a port: one of them */
    RULE_ALERTABLE = 18,       /* routines run in an alertable wait of their own thread */
    RULE_LENGTH_AGAIN = 21,    /* WSABUF.len is set again before the next receive */
    RULE_BLOCKS = 22,          /* no call that may block inside a routine */
    RULE_WHOLE_KEY = 26,       /* a pointer does not pass through DWORD */
    RULE_ONE_THREAD = 27,      /* one send and one receive of a socket at a time */
    RULE_CONTEXT = 28,         /* AcceptEx, ConnectEx and what follows them */
    RULE_EXCLUSIVE = 30,       /* SO_EXCLUSIVEADDRUSE */
    RULE_CLOSED = 31,          /* a socket is used or closed after it was closed */
    RULE_CLOSED_BESIDE = 32,   /* ... or closed while another thread is using it */
    RULE_LEFT_OPEN = 33,       /* nothing is left open or in progress at the end */
    RULE_STARTUP = 34,         /* WSAStartup before, WSACleanup after, equally often */
    RULE_LENGTH = 35,          /* a length is not negative */
    RULE_MEMORY = 36,          /* no memory is used after free, or beyond its end */
    RULE_TERMINATED = 37,      /* no thread is terminated inside a call */
    RULE_UNKNOWN_SOCKET = 38,  /* a socket is one that Winsock has given out */
};

/* The place of a call in the program's source. */
struct place {
    const char *call; /* WSARecv */
    const char *file;
    int line;
    bool is_near; /* called through a pointer: this is the place of the call before it */
};

/* What is known of a thread of the program. */
struct thread {
    struct thread *next;
    DWORD id;
    HANDLE handle;
    struct place last;    /* its last call */
    int alertable_waits;  /* begun so far */
    int inside_alertable; /* waits: a routine may begin another one */
    bool made_by_program; /* main's, or from CreateThread: not the one of a Ctrl+C handler */
    bool takes_packet;    /* inside GetQueuedCompletionStatus */
    bool ended;
    int inside_routines;
};

/* A wait of a thread, while it lasts; it is on the stack of that thread. */
struct wait {
    struct wait *next;
    struct thread *thread;
    HANDLE handles[MAXIMUM_WAIT_OBJECTS]; /* a copy, because that of the program may change */
    DWORD count;
    bool alertable;
    struct place place;
};

static SRWLOCK lock = SRWLOCK_INIT; /* of everything static in verifier.c */
static DWORD thread_slot;
static struct thread *threads;
static struct wait *waits;
static int rules_broken;
static unsigned seed;

static void take_lock(void)
{
    AcquireSRWLockExclusive(&lock);
}

static void release_lock(void)
{
    ReleaseSRWLockExclusive(&lock);
}

/* Memory from the system, because the program's is watched. Ends the program if there is none. */
static void *own_memory(size_t size)
{
    void *memory = HeapAlloc(GetProcessHeap(), HEAP_ZERO_MEMORY, size);
    if (memory == NULL) {
        fprintf(stderr, "verifier: there is no more memory for its records\n");
        ExitProcess(3);
    }
    return memory;
}

static struct thread *this_thread(void)
{
    DWORD error = GetLastError(); /* TlsGetValue clears it */
    struct thread *thread = TlsGetValue(thread_slot);
    SetLastError(error);
    if (thread != NULL)
        return thread;
    thread = own_memory(sizeof *thread);
    thread->id = GetCurrentThreadId();
    DuplicateHandle(GetCurrentProcess(), GetCurrentThread(), GetCurrentProcess(), &thread->handle,
                    0, FALSE, DUPLICATE_SAME_ACCESS);
    TlsSetValue(thread_slot, thread);
    take_lock();
    thread->next = threads;
    threads = thread;
    release_lock();
    SetLastError(error);
    return thread;
}

/* The same for a caller that has the lock: its thread is already known. */
static struct thread *this_thread_with_lock(void)
{
    return TlsGetValue(thread_slot);
}

/* Notes that this thread makes the call here. */
static struct place at(const char *call, const char *file, int line)
{
    struct place place = {call, file, line, false};
    this_thread()->last = place;
    return place;
}

/* The place of a call through a pointer from WSAIoctl, which does not bring its own place. */
static struct place near_last(const char *call)
{
    struct place place = this_thread()->last;
    place.call = call;
    place.is_near = true;
    return place;
}

static const char *without_folder(const char *file)
{
    const char *name = file;
    for (const char *c = file; *c != '\0'; c++) {
        if (*c == '/' || *c == '\\')
            name = c + 1;
    }
    return name;
}

enum { PLACE_TEXT = 160, LINE_TEXT = 700 };

/* "WSARecv (server.c:143)" */
static const char *place_text(const struct place *place, char *text)
{
    if (place->file == NULL)
        snprintf(text, PLACE_TEXT, "%s", place->call);
    else
        snprintf(text, PLACE_TEXT, "%s (%s%s:%d)", place->call, place->is_near ? "after " : "",
                 without_folder(place->file), place->line);
    return text;
}

static void say(const char *line)
{
    DWORD written;
    WriteFile(GetStdHandle(STD_ERROR_HANDLE), line, (DWORD)strlen(line), &written, NULL);
}

/* A broken rule is reported once for each place. */
struct said {
    struct said *next;
    enum rule rule;
    const char *file;
    int line;
};

static bool said_already(enum rule rule, const struct place *place)
{
    static struct said *all;
    const char *file = place->file == NULL ? "" : place->file;

    for (struct said *said = all; said != NULL; said = said->next) {
        if (said->rule == rule && said->line == place->line && strcmp(said->file, file) == 0)
            return true;
    }
    struct said *said = own_memory(sizeof *said);
    *said = (struct said){all, rule, file, place->line};
    all = said;
    return false;
}

/* Reports which rule the call breaks. The text follows the call and its place, and may be followed
 * by another place. Call it with the lock; the thread's last error stays. */
static void broken(enum rule rule, const struct place *place, const char *text,
                   const struct place *other)
{
    char line[LINE_TEXT], here[PLACE_TEXT], there[PLACE_TEXT];
    DWORD error = GetLastError();

    if (said_already(rule, place))
        return;
    rules_broken++;
    snprintf(line, sizeof line, "RULE %d: %s %s%s%s\r\n", rule, place_text(place, here), text,
             other != NULL ? " " : "", other != NULL ? place_text(other, there) : "");
    say(line);
    SetLastError(error);
}

static void broken_now(enum rule rule, const struct place *place, const char *text,
                       const struct place *other)
{
    take_lock();
    broken(rule, place, text, other);
    release_lock();
}
