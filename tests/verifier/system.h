/*
 * system.h - the thread that plays the kernel: it takes the real completions, and notifies the
 * program when it is time. A part of verifier.c.
 */

/* Network events that will come later. */
struct due_events {
    struct due_events *next;
    ULONGLONG at;
    SOCKET socket;
    unsigned socket_number;
    long network_events;
};

static struct due_events *due_events;

/* How long a routine may be queued before its thread is asked why it does not run. */
enum { MOST_ROUTINE_WAIT = 3000 };

static void wake_system(void)
{
    PostQueuedCompletionStatus(system_port, 0, 0, NULL);
}

static void give_later(struct socket_record *record, long network_events, DWORD milliseconds)
{
    struct due_events *due = own_memory(sizeof *due);
    *due = (struct due_events){due_events, GetTickCount64() + milliseconds, record->socket,
                               record->number, network_events};
    due_events = due;
    wake_system();
}

static void complete_later(struct operation *operation, DWORD milliseconds)
{
    operation->due_at = GetTickCount64() + milliseconds;
    wake_system();
}

static void give_due_events(ULONGLONG now)
{
    struct due_events **link = &due_events;

    while (*link != NULL) {
        struct due_events *due = *link;
        if (due->at > now) {
            link = &due->next;
            continue;
        }
        struct socket_record *record = find_socket(due->socket);
        if (record != NULL && record->open && record->number == due->socket_number)
            give_now(record, due->network_events);
        *link = due->next;
        HeapFree(GetProcessHeap(), 0, due);
    }
}

/* Completes what is due, but nothing before an earlier operation of its kind on its socket. */
static void complete_due_operations(ULONGLONG now)
{
    bool again = true;

    while (again) {
        again = false;
        struct operation *next;
        for (struct operation *operation = operations; operation != NULL; operation = next) {
            next = operation->next;
            if (operation->stage == HELD && !operation->caller_is_inside &&
                operation->due_at <= now && earlier_one(operation) == NULL) {
                complete(operation, false);
                again = true;
            }
        }
    }
}

/* Finds a routine that has been due for too long, in a thread without an alertable wait since. On a
 * busy machine other routines may run that long before it, in one wait. */
static void check_routines(ULONGLONG now)
{
    for (const struct operation *operation = operations; operation != NULL;
         operation = operation->next) {
        if (operation->stage == NOTIFIED && operation->routine != NULL &&
            operation->notified_at + MOST_ROUTINE_WAIT < now &&
            operation->thread->alertable_waits == operation->alertable_waits &&
            operation->thread->inside_alertable == 0)
            broken(RULE_ALERTABLE, &operation->place,
                   "has completed, but its routine cannot run: the thread has not begun an "
                   "alertable wait since",
                   NULL);
    }
}

/* Milliseconds until something is due. */
static DWORD time_to_wait(ULONGLONG now)
{
    ULONGLONG next = now + 1000 * 1000;

    for (const struct due_events *due = due_events; due != NULL; due = due->next)
        next = due->at < next ? due->at : next;
    for (const struct operation *operation = operations; operation != NULL;
         operation = operation->next) {
        if (operation->stage == HELD && operation->due_at < next)
            next = operation->due_at > now ? operation->due_at : now + 1;
        if (operation->stage == NOTIFIED && operation->routine != NULL) {
            ULONGLONG check_at = operation->notified_at + MOST_ROUTINE_WAIT + 1;
            next = check_at > now && check_at < next ? check_at : next;
        }
    }
    if (next == now + 1000 * 1000)
        return INFINITE;
    return next > now ? (DWORD)(next - now) : 0;
}

static void take_completion(struct operation *operation, BOOL succeeded, DWORD transferred)
{
    DWORD error = succeeded ? 0 : GetLastError(), bytes, flags;
    int winsock_error = 0;

    if (!succeeded) {
        WSAGetOverlappedResult(operation->socket, &operation->real, &bytes, FALSE, &flags);
        winsock_error = WSAGetLastError();
    }
    take_lock();
    real_completed(operation, transferred, error, winsock_error);
    if (operation->caller_is_inside)
        WakeAllConditionVariable(&completed);
    else if (chance(ORDER, operation->socket_number, operation->nth + (unsigned)operation->kind, 3))
        operation->due_at =
            GetTickCount64() + 1 + draw(ORDER, operation->socket_number, operation->nth) % 6;
    else
        operation->due_at = 0;
    release_lock();
}

/* A completion that is not ours comes from a call that was left to Winsock: it goes to the
 * program's own port. Its error cannot go with it. */
static void pass_on(ULONG_PTR key, DWORD transferred, OVERLAPPED *overlapped, DWORD error)
{
    const struct socket_record *record = (const struct socket_record *)key;
    if (record == NULL || record->port == NULL)
        return;
    if (error != 0)
        keep_failed_packet(overlapped, error);
    PostQueuedCompletionStatus(record->port, transferred, record->key, overlapped);
}

static DWORD WINAPI run_system(void *nothing)
{
    DWORD timeout = INFINITE;
    bool runs = nothing == NULL; /* forever */

    while (runs) {
        DWORD transferred = 0;
        ULONG_PTR key = 0;
        OVERLAPPED *overlapped = NULL;
        BOOL succeeded =
            GetQueuedCompletionStatus(system_port, &transferred, &key, &overlapped, timeout);
        if (overlapped != NULL && is_operation(overlapped))
            take_completion((struct operation *)overlapped, succeeded, transferred);
        else if (overlapped != NULL)
            pass_on(key, transferred, overlapped, succeeded ? 0 : GetLastError());
        take_lock();
        ULONGLONG now = GetTickCount64();
        give_due_events(now);
        complete_due_operations(now);
        check_routines(now);
        timeout = time_to_wait(now);
        release_lock();
    }
    return 0;
}
