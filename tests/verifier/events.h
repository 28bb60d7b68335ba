/*
 * events.h - events, waits, and the network events of WSAEventSelect. A part of verifier.c.
 */
struct event_record {
    struct event_record *next; /* in its chain of the table */
    HANDLE event;
    bool open;
    bool shared;  /* used by a thread other than the one that made it */
    bool watched; /* in a way that does not come through end_wait */
    DWORD maker;
    struct place made, closed;
};

static struct event_record *event_table[TABLE_SIZE];

static struct event_record *find_event(HANDLE event)
{
    struct event_record *record = event_table[((ULONG_PTR)event >> 2) % TABLE_SIZE];
    while (record != NULL && record->event != event)
        record = record->next;
    return record;
}

/* Whether the event was closed, and its handle has not been given out again since, for example for
 * a thread. */
static bool is_closed(const struct event_record *record)
{
    DWORD flags;
    return record != NULL && !record->open && !GetHandleInformation(record->event, &flags);
}

static HANDLE made_event(const struct place *place, HANDLE event)
{
    DWORD error = GetLastError();
    if (event != NULL) {
        take_lock();
        struct event_record *record = find_event(event);
        if (record == NULL) {
            record = own_memory(sizeof *record);
            record->event = event;
            record->next = event_table[((ULONG_PTR)event >> 2) % TABLE_SIZE];
            event_table[((ULONG_PTR)event >> 2) % TABLE_SIZE] = record;
        }
        record->open = true;
        record->shared = false;
        record->watched = false;
        record->maker = GetCurrentThreadId();
        record->made = *place;
        release_lock();
    }
    SetLastError(error);
    return event;
}

/* Call it with the lock. */
static void use_event(const struct place *place, HANDLE event)
{
    struct event_record *record = find_event(event);
    if (is_closed(record))
        broken(RULE_CLOSED, place, "uses an event that was closed by", &record->closed);
    if (record != NULL && record->maker != GetCurrentThreadId())
        record->shared = true;
}

/* Defined in operations.h. */
static void event_goes(const struct place *place, HANDLE event);
static void learn_from_event(HANDLE event);

/* Returns whether the event is known and may be closed. */
static bool close_event(const struct place *place, HANDLE event)
{
    bool may_close = true;

    take_lock();
    struct event_record *record = find_event(event);
    if (is_closed(record)) {
        broken(RULE_CLOSED, place, "closes an event that was already closed by", &record->closed);
        may_close = false;
    } else if (record != NULL && record->open) {
        for (const struct wait *wait = waits; wait != NULL; wait = wait->next) {
            /* A wait of this thread is over: a routine that it has called closes the event. */
            for (DWORD i = 0; i < wait->count && wait->thread != this_thread_with_lock(); i++) {
                if (wait->handles[i] == event)
                    broken(RULE_WAIT, place,
                           "closes an event that another thread is waiting for in", &wait->place);
            }
        }
        event_goes(place, event);
        record->open = false;
        record->closed = *place;
    }
    release_lock();
    return may_close;
}

WSAEVENT verifier_WSACreateEvent(VERIFIER_AT)
{
    struct place place = at("WSACreateEvent", file, line);
    take_lock();
    check_started(&place);
    release_lock();
    return made_event(&place, WSACreateEvent());
}

HANDLE verifier_CreateEventA(VERIFIER_AT, SECURITY_ATTRIBUTES *attributes, BOOL manual, BOOL set,
                             const char *name)
{
    struct place place = at("CreateEvent", file, line);
    return made_event(&place, CreateEventA(attributes, manual, set, name));
}

HANDLE verifier_CreateEventW(VERIFIER_AT, SECURITY_ATTRIBUTES *attributes, BOOL manual, BOOL set,
                             const wchar_t *name)
{
    struct place place = at("CreateEvent", file, line);
    return made_event(&place, CreateEventW(attributes, manual, set, name));
}

BOOL verifier_WSACloseEvent(VERIFIER_AT, WSAEVENT event)
{
    struct place place = at("WSACloseEvent", file, line);
    return WSACloseEvent(close_event(&place, event) ? event : NULL);
}

BOOL verifier_WSASetEvent(VERIFIER_AT, WSAEVENT event)
{
    struct place place = at("WSASetEvent", file, line);
    take_lock();
    use_event(&place, event);
    release_lock();
    return WSASetEvent(event);
}

BOOL verifier_SetEvent(VERIFIER_AT, HANDLE event)
{
    struct place place = at("SetEvent", file, line);
    take_lock();
    use_event(&place, event);
    release_lock();
    return SetEvent(event);
}

/* ---- waits --------------------------------------------------------------------------------- */

static void begin_wait(struct wait *wait, const struct place *place, DWORD count,
                       const HANDLE *handles, BOOL alertable)
{
    struct thread *thread = this_thread();
    bool too_many = count == 0 || count > MAXIMUM_WAIT_OBJECTS;

    take_lock();
    if (too_many)
        broken(RULE_WAIT, place,
               count == 0 ? "waits for no handle at all" : "waits for more than 64 handles", NULL);
    for (DWORD i = 0; i < count && !too_many; i++)
        use_event(place, handles[i]);
    thread->alertable_waits += alertable != 0;
    thread->inside_alertable += alertable != 0;
    wait->next = waits;
    wait->thread = thread;
    wait->count = too_many ? 0 : count;
    wait->alertable = alertable != 0;
    wait->place = *place;
    for (DWORD i = 0; i < wait->count; i++)
        wait->handles[i] = handles[i];
    waits = wait;
    release_lock();
}

/* The result shows which of the handles are signalled: their operations have completed, and the
 * program knows it. */
static DWORD end_wait(const struct wait *wait, BOOL all, DWORD result)
{
    DWORD error = GetLastError();
    struct wait **link = &waits;

    take_lock();
    while (*link != wait)
        link = &(*link)->next;
    *link = wait->next;
    wait->thread->inside_alertable -= wait->alertable;
    if (result < wait->count) {
        for (DWORD i = 0; i < wait->count; i++) {
            if (all || i == result)
                learn_from_event(wait->handles[i]);
        }
    }
    release_lock();
    SetLastError(error);
    return result;
}

DWORD verifier_WSAWaitForMultipleEvents(VERIFIER_AT, DWORD count, const WSAEVENT *events, BOOL all,
                                        DWORD milliseconds, BOOL alertable)
{
    struct place place = at("WSAWaitForMultipleEvents", file, line);
    struct wait wait;
    begin_wait(&wait, &place, count, events, alertable);
    return end_wait(&wait, all,
                    WSAWaitForMultipleEvents(count, events, all, milliseconds, alertable));
}

DWORD verifier_WaitForMultipleObjectsEx(VERIFIER_AT, DWORD count, const HANDLE *handles, BOOL all,
                                        DWORD milliseconds, BOOL alertable)
{
    struct place place = at("WaitForMultipleObjects", file, line);
    struct wait wait;
    begin_wait(&wait, &place, count, handles, alertable);
    return end_wait(&wait, all,
                    WaitForMultipleObjectsEx(count, handles, all, milliseconds, alertable));
}

DWORD verifier_WaitForMultipleObjects(VERIFIER_AT, DWORD count, const HANDLE *handles, BOOL all,
                                      DWORD milliseconds)
{
    return verifier_WaitForMultipleObjectsEx(file, line, count, handles, all, milliseconds, FALSE);
}

DWORD verifier_WaitForSingleObjectEx(VERIFIER_AT, HANDLE handle, DWORD milliseconds, BOOL alertable)
{
    struct place place = at("WaitForSingleObject", file, line);
    struct wait wait;
    begin_wait(&wait, &place, 1, &handle, alertable);
    return end_wait(&wait, FALSE, WaitForSingleObjectEx(handle, milliseconds, alertable));
}

DWORD verifier_WaitForSingleObject(VERIFIER_AT, HANDLE handle, DWORD milliseconds)
{
    return verifier_WaitForSingleObjectEx(file, line, handle, milliseconds, FALSE);
}

DWORD verifier_SleepEx(VERIFIER_AT, DWORD milliseconds, BOOL alertable)
{
    at("SleepEx", file, line);
    if (!alertable)
        return SleepEx(milliseconds, FALSE);
    take_lock();
    struct thread *thread = this_thread_with_lock();
    thread->alertable_waits++;
    thread->inside_alertable++;
    release_lock();
    DWORD result = SleepEx(milliseconds, TRUE);
    take_lock();
    thread->inside_alertable--;
    release_lock();
    return result;
}

/* The program will learn of this event from a wait that is not its own, or that is not known
 * here. */
void verifier_watch(HANDLE event)
{
    take_lock();
    struct event_record *record = find_event(event);
    if (record != NULL)
        record->watched = true;
    learn_from_event(event);
    release_lock();
}

BOOL verifier_RegisterWaitForSingleObject(VERIFIER_AT, HANDLE *wait, HANDLE handle,
                                          WAITORTIMERCALLBACK function, void *context,
                                          ULONG milliseconds, ULONG flags)
{
    at("RegisterWaitForSingleObject", file, line);
    verifier_watch(handle);
    return RegisterWaitForSingleObject(wait, handle, function, context, milliseconds, flags);
}

void verifier_SetThreadpoolWait(VERIFIER_AT, TP_WAIT *wait, HANDLE handle, FILETIME *timeout)
{
    at("SetThreadpoolWait", file, line);
    verifier_watch(handle);
    SetThreadpoolWait(wait, handle, timeout);
}

/* ---- network events ------------------------------------------------------------------------ */

/* Gives these network events in addition to those of the system. Call it with the lock. */
static void give_now(struct socket_record *record, long network_events)
{
    record->extra |= network_events;
    if (record->extra & record->mask)
        SetEvent(record->event);
}

int verifier_WSAEventSelect(VERIFIER_AT, SOCKET socket, WSAEVENT event, long mask)
{
    struct place place = at("WSAEventSelect", file, line);

    take_lock();
    struct socket_record *record = use_socket(&place, socket);
    if (mask != 0)
        use_event(&place, event);
    release_lock();
    int result = WSAEventSelect(socket, event, mask);
    if (result == 0 && record != NULL) {
        take_lock();
        record->event = event;
        record->mask = mask;
        record->non_blocking = true;
        give_now(record, 0);
        release_lock();
    }
    return result;
}

/* Receives what has arrived before the program asks for it, so that an end behind it is known. */
static void read_ahead(struct socket_record *record)
{
    enum { MOST = 256 * 1024 };
    int got = 1;

    if (record->ahead == NULL)
        record->ahead = own_memory(MOST);
    memmove(record->ahead, record->ahead + record->ahead_taken,
            (size_t)(record->ahead_size - record->ahead_taken));
    record->ahead_size -= record->ahead_taken;
    record->ahead_taken = 0;
    while (got > 0 && record->ahead_size < MOST) {
        got =
            recv(record->socket, record->ahead + record->ahead_size, MOST - record->ahead_size, 0);
        if (got > 0)
            record->ahead_size += got;
    }
    if (got == 0)
        record->end_seen = true;
    if (got == 0 && looks_reset(record))
        record->was_reset = true;
    if (got == SOCKET_ERROR && WSAGetLastError() == WSAECONNRESET)
        record->was_reset = true;
}

static bool receive_from_ahead(struct socket_record *record, char *bytes, int length, int flags,
                               int *result)
{
    int left = record->ahead_size - record->ahead_taken;

    if (record->was_reset) { /* what came before the reset is lost */
        WSASetLastError(WSAECONNRESET);
        *result = SOCKET_ERROR;
        return true;
    }
    if (left == 0 && !record->end_seen)
        return false;
    *result = length < left ? length : left;
    if (*result == 0) /* the end, or a receive of no bytes */
        return true;
    memcpy(bytes, record->ahead + record->ahead_taken, (size_t)*result);
    if (flags & MSG_PEEK)
        return true;
    record->ahead_taken += *result;
    /* The system may have more bytes, and announces them only after a real recv. */
    if (record->mask & FD_READ && (*result < left || !record->end_seen))
        give_now(record, FD_READ);
    return true;
}

int verifier_WSAEnumNetworkEvents(VERIFIER_AT, SOCKET socket, WSAEVENT event,
                                  WSANETWORKEVENTS *events)
{
    struct place place = at("WSAEnumNetworkEvents", file, line);

    take_lock();
    struct socket_record *record = use_socket(&place, socket);
    if (event != NULL)
        use_event(&place, event);
    release_lock();
    int result = WSAEnumNetworkEvents(socket, event, events);
    if (result == SOCKET_ERROR || record == NULL)
        return result;

    take_lock();
    bool closed = events->lNetworkEvents & FD_CLOSE;
    if (closed && events->iErrorCode[FD_CLOSE_BIT] == 0 && looks_reset(record))
        record->was_reset = true;
    if (closed && events->iErrorCode[FD_CLOSE_BIT] != 0)
        record->was_reset = true;
    if (events->lNetworkEvents & FD_READ && record->mask & FD_CLOSE && !record->was_reset &&
        chance(EARLY_CLOSE, record->number, 0, 2)) {
        read_ahead(record);
        /* A reset may come between FD_READ and recv, which is then the first to report it. */
        closed = closed ||
                 (record->was_reset ? chance(EARLY_CLOSE, record->number, 1, 2) : record->end_seen);
    }
    if (closed) {
        events->lNetworkEvents &= ~FD_CLOSE;
        if (!record->close_announced || record->was_reset) { /* a reset may follow an end */
            events->lNetworkEvents |= FD_CLOSE;
            events->iErrorCode[FD_CLOSE_BIT] = record->was_reset ? WSAECONNABORTED : 0;
        }
        record->close_announced = true;
    }
    long more = record->extra & record->mask & ~events->lNetworkEvents;
    events->lNetworkEvents |= more;
    for (int bit = 0; bit < FD_MAX_EVENTS; bit++) {
        if (more & (1L << bit))
            events->iErrorCode[bit] = 0;
    }
    record->extra = 0;
    release_lock();
    return result;
}
