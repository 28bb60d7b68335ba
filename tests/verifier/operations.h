/*
 * operations.h - overlapped operations. A part of verifier.c.
 *
 * The verifier takes the place of Windows' kernel. It begins the real operation with its own
 * OVERLAPPED and buffers; its own thread takes the completion (system.h), and only then are the
 * program's buffer and OVERLAPPED written and the program notified. So it knows at each moment what
 * belongs to the system and what the program may touch, and it decides when an operation
 * completes.
 */

enum operation_kind { RECEIVE, SEND, ACCEPT, CONNECT };

enum stage {
    AT_REST,    /* no operation; the last one has ended, and the program knows it */
    FAILED_NOW, /* likewise, and the call itself reported the failure */
    BEGUN,      /* the real one is in progress */
    HELD,       /* the real one has completed; the program's is still in progress */
    NOTIFIED,   /* the event is set, the routine or the packet is queued */
};

/* One for each OVERLAPPED of the program. */
struct operation {
    OVERLAPPED real; /* first: its address is that of the operation */
    struct operation *next_of_chain;
    struct operation *next, *previous; /* among those that are not at rest */
    enum operation_kind kind;
    enum stage stage;
    struct place place;
    unsigned serial;
    SOCKET socket;
    unsigned socket_number;
    unsigned nth; /* of its kind on its socket */

    WSAOVERLAPPED *overlapped; /* the program's; NULL: its memory is gone */
    WSAOVERLAPPED *address;    /* where it is, or was */
    HANDLE event;
    LPWSAOVERLAPPED_COMPLETION_ROUTINE routine;
    struct thread *thread; /* the one that began it */
    HANDLE port;
    ULONG_PTR key;

    WSABUF *buffers; /* the program's */
    DWORD buffer_count, most_buffers;
    char *bytes; /* the verifier's copy; RECEIVE: behind it, what the buffers had before */
    size_t size, capacity;
    bool buffer_gone;

    SOCKET accepted;       /* ACCEPT */
    bool caller_is_inside; /* the call that began it has not returned yet */
    bool cancelled;
    bool skips_packet; /* FILE_SKIP_COMPLETION_PORT_ON_SUCCESS */
    bool no_packet;    /* the lowest bit of hEvent asks for that */
    ULONGLONG due_at;  /* HELD: when it completes for the program */
    ULONGLONG notified_at;
    int alertable_waits; /* of its thread, at that time */
    DWORD transferred;
    int winsock_error; /* of the result */
    DWORD error;       /* the same, as GetQueuedCompletionStatus reports it */
};

static struct operation *operation_table[TABLE_SIZE];
static struct operation *operations; /* those that are not at rest */
static unsigned operations_begun;
static CONDITION_VARIABLE completed = CONDITION_VARIABLE_INIT;

enum { FILLED_WITH = 0xEE }; /* the buffer of a receive, until it completes */
#define STATUS_IS_PENDING   ((ULONG_PTR)0x103)
#define STATUS_IS_FAILED    ((ULONG_PTR)(LONG_PTR)(LONG)0xC0000001)
#define STATUS_IS_CANCELLED ((ULONG_PTR)(LONG_PTR)(LONG)0xC0000120)

static bool in_progress(const struct operation *operation)
{
    return operation->stage >= BEGUN;
}

static struct operation **operation_chain(const void *overlapped)
{
    return &operation_table[((ULONG_PTR)overlapped >> 4) % TABLE_SIZE];
}

/* The latest operation of this OVERLAPPED. */
static struct operation *find_operation(const void *overlapped)
{
    struct operation *operation = *operation_chain(overlapped);
    while (operation != NULL && operation->overlapped != overlapped)
        operation = operation->next_of_chain;
    return operation;
}

/* Defined below: an OVERLAPPED at rest is used for a call that is left to Winsock. */
static void leave_overlapped(const OVERLAPPED *overlapped);

/* Operations come from chunks, so that an address can be recognised as one. None is freed. */
enum { CHUNK = 64, MOST_CHUNKS = 2048 };

static struct operation *chunks[MOST_CHUNKS];
static int chunk_count;
static struct operation *unused; /* linked by next_of_chain */

/* Whether a completion or a packet belongs to one of our operations. */
static bool is_operation(const OVERLAPPED *overlapped)
{
    for (int i = 0; i < chunk_count; i++) {
        const struct operation *operation = (const struct operation *)overlapped;
        if (operation >= chunks[i] && operation < chunks[i] + CHUNK)
            return true;
    }
    return false;
}

static struct operation *new_operation(WSAOVERLAPPED *overlapped)
{
    if (unused == NULL) {
        if (chunk_count == MOST_CHUNKS) {
            say("verifier: there are more OVERLAPPED at a time than it can watch\r\n");
            ExitProcess(3);
        }
        struct operation *chunk = own_memory(CHUNK * sizeof *chunk);
        chunks[chunk_count++] = chunk;
        for (int i = 0; i < CHUNK; i++) {
            chunk[i].next_of_chain = unused;
            unused = &chunk[i];
        }
    }
    struct operation *operation = unused;
    unused = operation->next_of_chain;
    operation->overlapped = overlapped;
    operation->address = overlapped;
    operation->next_of_chain = *operation_chain(overlapped);
    *operation_chain(overlapped) = operation;
    return operation;
}

static void drop_operation(struct operation *operation)
{
    struct operation **link = operation_chain(operation->address);
    while (*link != operation)
        link = &(*link)->next_of_chain;
    *link = operation->next_of_chain;
    operation->overlapped = NULL;
    operation->next_of_chain = unused;
    unused = operation;
}

static void leave_overlapped(const OVERLAPPED *overlapped)
{
    take_lock();
    struct operation *operation = overlapped == NULL ? NULL : find_operation(overlapped);
    if (operation != NULL && !in_progress(operation))
        drop_operation(operation);
    release_lock();
}

/* ---- when it is over ----------------------------------------------------------------------- */

/* It has ended, and the program knows it. */
static void put_at_rest(struct operation *operation, enum stage stage)
{
    operation->stage = stage;
    if (operation->previous != NULL)
        operation->previous->next = operation->next;
    else
        operations = operation->next;
    if (operation->next != NULL)
        operation->next->previous = operation->previous;
    operation->next = NULL;
    operation->previous = NULL;
    if (operation->overlapped == NULL)
        drop_operation(operation);
}

/* The program has learned that the operations with this event have completed. One that also has a
 * packet is over when that is taken. */
static void learn_from_event(HANDLE event)
{
    struct operation *next;
    for (struct operation *operation = operations; operation != NULL; operation = next) {
        next = operation->next;
        if (operation->event == event && operation->stage == NOTIFIED &&
            (operation->port == NULL || operation->no_packet))
            put_at_rest(operation, AT_REST);
    }
}

static void event_goes(const struct place *place, HANDLE event)
{
    for (const struct operation *operation = operations; operation != NULL;
         operation = operation->next) {
        if (operation->event == event)
            broken(RULE_IN_PROGRESS, place,
                   "closes the event of an operation in progress, begun by", &operation->place);
    }
}

/* The program frees memory. */
static void memory_goes(const struct place *place, const void *memory, size_t size)
{
    struct operation *next;

    for (struct operation *operation = operations; operation != NULL; operation = next) {
        next = operation->next;
        bool has_overlapped = operation->overlapped != NULL &&
                              overlaps(memory, size, operation->overlapped, sizeof(WSAOVERLAPPED));
        bool has_buffer = false;
        for (DWORD i = 0; i < operation->buffer_count && operation->stage < NOTIFIED; i++)
            has_buffer = has_buffer || overlaps(memory, size, operation->buffers[i].buf,
                                                operation->buffers[i].len);
        if (has_overlapped || has_buffer)
            broken(RULE_IN_PROGRESS, place,
                   has_overlapped ? "frees the OVERLAPPED of an operation in progress, begun by"
                                  : "frees the buffer of an operation in progress, begun by",
                   &operation->place);
        operation->buffer_gone = operation->buffer_gone || has_buffer;
        if (has_overlapped)
            operation->overlapped = NULL;
    }
    for (int i = 0; i < chunk_count; i++) {
        for (int j = 0; j < CHUNK; j++) {
            struct operation *operation = &chunks[i][j];
            if (operation->overlapped != NULL && !in_progress(operation) &&
                overlaps(memory, size, operation->overlapped, sizeof(WSAOVERLAPPED)))
                drop_operation(operation);
        }
    }
}

/* ---- the completion ------------------------------------------------------------------------ */

/* Whether the program's memory still exists: it may have been a stack, or freed by a function other
 * than free. */
static bool is_there(const void *memory, size_t size, bool to_write)
{
    const DWORD writable =
        PAGE_READWRITE | PAGE_WRITECOPY | PAGE_EXECUTE_READWRITE | PAGE_EXECUTE_WRITECOPY;
    const DWORD readable = writable | PAGE_READONLY | PAGE_EXECUTE_READ;
    const char *next = memory, *end = next + size;
    MEMORY_BASIC_INFORMATION about;

    while (next < end) {
        if (VirtualQuery(next, &about, sizeof about) == 0 || about.State != MEM_COMMIT ||
            (about.Protect & PAGE_GUARD) || !(about.Protect & (to_write ? writable : readable)))
            return false;
        next = (const char *)about.BaseAddress + about.RegionSize;
    }
    return true;
}

/* The first byte is that, and each is the same as the next one. */
static bool is_filled(const WSABUF *buffer)
{
    return (unsigned char)buffer->buf[0] == FILLED_WITH &&
           memcmp(buffer->buf, buffer->buf + 1, buffer->len - 1) == 0;
}

/* The buffers must be as they were when the operation began. Those of a receive get what has
 * come; behind that they become what they were before. */
static void complete_buffers(struct operation *operation)
{
    const char *bytes = operation->bytes, *before = operation->bytes + operation->size;
    size_t left = operation->kind == RECEIVE ? operation->transferred : operation->size;
    bool is_received = operation->kind == RECEIVE || operation->kind == ACCEPT;
    bool changed = false;

    for (DWORD i = 0; i < operation->buffer_count && !operation->buffer_gone; i++) {
        const WSABUF *buffer = &operation->buffers[i];
        size_t part = left < buffer->len ? left : buffer->len;
        if (buffer->len == 0)
            continue;
        if (!is_there(buffer->buf, buffer->len, is_received)) {
            operation->buffer_gone = true;
            broken(RULE_IN_PROGRESS, &operation->place,
                   "completes, but the memory of its buffer is gone", NULL);
            return;
        }
        if (operation->kind == SEND)
            changed = changed || memcmp(buffer->buf, bytes, part) != 0;
        else if (operation->kind == RECEIVE)
            changed = changed || !is_filled(buffer);
        if (operation->kind == RECEIVE)
            memcpy(buffer->buf + part, before + part, buffer->len - part);
        if (is_received)
            memcpy(buffer->buf, bytes, part);
        before += buffer->len;
        bytes += part;
        left -= part;
    }
    if (changed)
        broken(RULE_IN_PROGRESS, &operation->place,
               operation->kind == SEND
                   ? "completes, but the program has changed its bytes meanwhile"
                   : "completes, but the program has written into its buffer meanwhile",
               NULL);
}

/* Writes the result where the program expects it. */
static void complete_memory(struct operation *operation)
{
    WSAOVERLAPPED *overlapped = operation->overlapped;

    complete_buffers(operation);
    if (overlapped == NULL)
        return;
    if (!is_there(overlapped, sizeof *overlapped, true)) {
        broken(RULE_IN_PROGRESS, &operation->place,
               "completes, but the memory of its OVERLAPPED is gone", NULL);
        operation->overlapped = NULL;
        return;
    }
    if (overlapped->Internal != STATUS_IS_PENDING ||
        overlapped->InternalHigh != operation->serial) {
        broken(RULE_IN_PROGRESS, &operation->place,
               "completes, but its OVERLAPPED has been overwritten meanwhile", NULL);
        return; /* by now the memory may be that of another variable */
    }
    overlapped->Internal = operation->error == 0                         ? 0
                           : operation->error == ERROR_OPERATION_ABORTED ? STATUS_IS_CANCELLED
                                                                         : STATUS_IS_FAILED;
    overlapped->InternalHigh = operation->transferred;
}

static void after_accept(const struct operation *operation)
{
    struct socket_record *record = find_socket(operation->accepted);
    const struct socket_record *listener = find_socket(operation->socket);
    if (record == NULL || operation->error != 0)
        return;
    record->needs_accept_context = true;
    record->shut_down = false; /* it may have been used before: see DisconnectEx */
    record->close_announced = false;
    record->was_reset = false;
    record->end_seen = false;
    if (listener != NULL)
        record->can_overlap = record->can_overlap && listener->can_overlap;
}

static void after_receive(const struct operation *operation)
{
    struct socket_record *record = find_socket(operation->socket);
    if (record != NULL && operation->error == 0)
        record->last_received = operation->transferred;
}

static void after_connect(const struct operation *operation)
{
    struct socket_record *record = find_socket(operation->socket);
    if (record != NULL && operation->error == 0)
        record->needs_connect_context = true;
}

static void CALLBACK run_routine(ULONG_PTR parameter)
{
    struct operation *operation = (struct operation *)parameter;

    take_lock();
    struct operation copy = *operation;
    put_at_rest(operation, AT_REST);
    release_lock();
    this_thread()->inside_routines++;
    copy.routine((DWORD)copy.winsock_error, copy.transferred, copy.address, 0);
    this_thread()->inside_routines--;
}

/* Defined in system.h. */
static void wake_system(void);

/* The operation ends for the program as well. by_result: it learns that from the call's result. */
static void complete(struct operation *operation, bool by_result)
{
    bool skips = by_result && operation->port != NULL && operation->skips_packet;

    complete_memory(operation);
    if (operation->kind == RECEIVE)
        after_receive(operation);
    if (operation->kind == ACCEPT)
        after_accept(operation);
    if (operation->kind == CONNECT)
        after_connect(operation);
    operation->stage = NOTIFIED;
    operation->notified_at = GetTickCount64();
    operation->alertable_waits = operation->thread->alertable_waits;
    const struct event_record *event = find_event(operation->event);
    if (operation->event != NULL)
        SetEvent(operation->event);
    if (operation->routine != NULL) {
        if (operation->thread->ended ||
            !QueueUserAPC(run_routine, operation->thread->handle, (ULONG_PTR)operation)) {
            broken(RULE_THREAD_ENDS, &operation->place,
                   "completes, but the thread that began it has ended: its routine never runs",
                   NULL);
            put_at_rest(operation, AT_REST);
        } else if (by_result) {
            wake_system(); /* which does not know of it yet, and must watch whether it runs */
        }
    } else if (operation->port != NULL && !operation->no_packet && !skips) {
        PostQueuedCompletionStatus(operation->port, operation->transferred, operation->key,
                                   &operation->real);
    } else if (by_result || operation->overlapped == NULL || (event != NULL && event->watched)) {
        put_at_rest(operation, AT_REST);
    }
    WakeAllConditionVariable(&completed);
}

/* The real operation has ended, with this error of Windows and of Winsock. */
static void real_completed(struct operation *operation, DWORD transferred, DWORD error,
                           int winsock_error)
{
    const struct socket_record *record = find_socket(operation->socket);
    bool closed = record == NULL || !record->open || record->number != operation->socket_number;

    if (error == 0 && transferred == 0 && operation->kind == RECEIVE && operation->size > 0 &&
        !closed && looks_reset(record)) {
        error = ERROR_NETNAME_DELETED;
        winsock_error = WSAECONNRESET;
    }
    if (error != 0 && (operation->cancelled || closed)) {
        error = ERROR_OPERATION_ABORTED;
        winsock_error = WSA_OPERATION_ABORTED;
    }
    operation->transferred = error == 0 ? transferred : 0;
    operation->error = error;
    operation->winsock_error = winsock_error;
    operation->stage = HELD;
}

/* An earlier operation of the same kind on the same socket, which must complete first. */
static const struct operation *earlier_one(const struct operation *operation)
{
    for (const struct operation *other = operations; other != NULL; other = other->next) {
        if (other->socket == operation->socket && other->kind == operation->kind &&
            other->socket_number == operation->socket_number && other->nth < operation->nth &&
            other->stage < NOTIFIED && other->kind != ACCEPT)
            return other;
    }
    return NULL;
}

/* Defined in system.h: the program is notified after this many milliseconds. */
static void complete_later(struct operation *operation, DWORD milliseconds);

/* ---- the beginning ------------------------------------------------------------------------- */

static bool is_buffer_in_use(const struct operation *operation, const struct operation *other)
{
    if (other == operation || other->stage >= NOTIFIED || other->buffer_gone ||
        (operation->kind == SEND && other->kind == SEND))
        return false;
    for (DWORD i = 0; i < operation->buffer_count; i++) {
        for (DWORD j = 0; j < other->buffer_count; j++) {
            if (overlaps(operation->buffers[i].buf, operation->buffers[i].len,
                         other->buffers[j].buf, other->buffers[j].len))
                return true;
        }
    }
    return false;
}

/* Compares a new operation with those that are in progress. */
static void compare_with_others(const struct operation *operation)
{
    for (struct operation *other = operations; other != NULL; other = other->next) {
        if (other == operation)
            continue;
        if (other->overlapped == operation->overlapped) {
            broken(RULE_IN_PROGRESS, &operation->place,
                   "begins with the OVERLAPPED of an operation in progress, begun by",
                   &other->place);
            other->overlapped = NULL; /* it belongs to the new one now, and would get this result */
        } else if (operation->event != NULL && other->event == operation->event)
            broken(RULE_ONE_EVENT, &operation->place,
                   "begins with the event of an operation in progress, begun by", &other->place);
        if (is_buffer_in_use(operation, other))
            broken(RULE_IN_PROGRESS, &operation->place,
                   "is given the buffer of an operation in progress, begun by", &other->place);
        if (other->socket == operation->socket &&
            other->socket_number == operation->socket_number && other->kind == operation->kind &&
            other->kind <= SEND && other->stage < NOTIFIED && other->thread != operation->thread)
            broken(RULE_ONE_THREAD, &operation->place,
                   "begins while another thread's is in progress on this socket, begun by",
                   &other->place);
    }
}

/* A textbook mistake: after an echo WSABUF.len is still the length of what was echoed. But a
 * program may ask for exactly the rest of its bytes. */
static void check_length_again(struct socket_record *record, const struct operation *operation)
{
    const WSABUF *buffer = &operation->buffers[0];
    if (operation->buffer_count != 1)
        return;
    if (buffer->buf == record->last_buffer && buffer->len == record->last_received &&
        buffer->len < record->last_asked &&
        buffer->len != record->last_asked - record->last_received)
        broken(RULE_LENGTH_AGAIN, &operation->place,
               "asks only for as many bytes as the last receive gave: was WSABUF.len set again?",
               NULL);
    record->last_buffer = buffer->buf;
    record->last_asked = buffer->len;
    record->last_received = 0;
}

/* Copies the program's buffers. */
static void gather(const struct operation *operation, char *to)
{
    for (DWORD i = 0; i < operation->buffer_count; i++) {
        memcpy(to, operation->buffers[i].buf, operation->buffers[i].len);
        to += operation->buffers[i].len;
    }
}

/* Begins to record an operation. NULL: it cannot begin; the error is set. Call it with the lock. */
static struct operation *begin(const struct place *place, enum operation_kind kind,
                               struct socket_record *record, WSAOVERLAPPED *overlapped,
                               LPWSAOVERLAPPED_COMPLETION_ROUTINE routine, const WSABUF *buffers,
                               DWORD count)
{
    size_t size = 0;

    for (DWORD i = 0; i < count; i++) {
        if (buffers[i].len > INT_MAX) {
            broken(RULE_LENGTH, place, "is given a negative length in a WSABUF", NULL);
            WSASetLastError(WSAEFAULT);
            return NULL;
        }
        if (is_beyond_memory(place, buffers[i].buf, buffers[i].len))
            return NULL;
        if (!is_there(buffers[i].buf, buffers[i].len, kind == RECEIVE || kind == ACCEPT)) {
            WSASetLastError(WSAEFAULT);
            return NULL;
        }
        size += buffers[i].len;
    }
    if (is_beyond_memory(place, overlapped, sizeof *overlapped))
        return NULL;
    if (!is_there(overlapped, sizeof *overlapped, true)) {
        WSASetLastError(WSAEFAULT);
        return NULL;
    }
    if (record->port != NULL && routine != NULL) {
        broken(RULE_NOTIFICATION, place, "has a routine, but its socket belongs to a port", NULL);
        WSASetLastError(WSAEINVAL);
        return NULL;
    }

    struct operation *operation = find_operation(overlapped);
    if (operation == NULL || in_progress(operation))
        operation = new_operation(overlapped);
    operation->kind = kind;
    operation->place = *place;
    operation->serial = ++operations_begun;
    operation->socket = record->socket;
    operation->socket_number = record->number;
    operation->nth = kind == SEND      ? record->sends++
                     : kind == RECEIVE ? record->receives++
                                       : record->accepts++;
    operation->routine = routine;
    operation->thread = this_thread_with_lock();
    operation->port = record->port;
    operation->key = record->key;
    operation->skips_packet = record->modes & FILE_SKIP_COMPLETION_PORT_ON_SUCCESS;
    operation->no_packet = (ULONG_PTR)overlapped->hEvent & 1;
    operation->event =
        routine == NULL ? (HANDLE)((ULONG_PTR)overlapped->hEvent & ~(ULONG_PTR)1) : NULL;
    operation->cancelled = false;
    operation->buffer_gone = false;
    operation->caller_is_inside = true;
    operation->buffer_count = count;
    if (operation->most_buffers < count) {
        if (operation->buffers != NULL)
            HeapFree(GetProcessHeap(), 0, operation->buffers);
        operation->buffers = own_memory(count * sizeof *buffers);
        operation->most_buffers = count;
    }
    for (DWORD i = 0; i < count; i++)
        operation->buffers[i] = buffers[i];
    operation->size = size;
    size_t needed = kind == RECEIVE ? 2 * size : size;
    if (operation->capacity < needed) {
        if (operation->bytes != NULL)
            HeapFree(GetProcessHeap(), 0, operation->bytes);
        operation->bytes = own_memory(needed);
        operation->capacity = needed;
    }
    memset(&operation->real, 0, sizeof operation->real);
    compare_with_others(operation);
    if (kind == SEND)
        gather(operation, operation->bytes);
    if (kind == RECEIVE) {
        check_length_again(record, operation);
        gather(operation, operation->bytes + size);
        for (DWORD i = 0; i < count; i++)
            memset(buffers[i].buf, FILLED_WITH, buffers[i].len);
    }
    overlapped->Internal = STATUS_IS_PENDING;
    overlapped->InternalHigh = operation->serial;
    if (operation->event != NULL) {
        use_event(place, operation->event);
        ResetEvent(operation->event);
    }
    operation->stage = BEGUN;
    operation->next = operations;
    operation->previous = NULL;
    if (operations != NULL)
        operations->previous = operation;
    operations = operation;
    return operation;
}

/* The call itself reports the failure, and there is no completion. */
static void fail_now(struct operation *operation, int error)
{
    if (operation->overlapped != NULL)
        operation->overlapped->Internal = STATUS_IS_FAILED;
    operation->transferred = 0;
    if (operation->kind == RECEIVE)
        complete_buffers(operation);
    operation->winsock_error = error;
    operation->error = (DWORD)error;
    put_at_rest(operation, FAILED_NOW);
}

/* An operation that the system has completed while the call lasted: returns what the call returns,
 * as in returned. */
static int complete_held(struct operation *operation)
{
    const unsigned number = operation->socket_number, nth = operation->nth;
    const int error = operation->winsock_error;
    const bool is_first = earlier_one(operation) == NULL;

    if ((error == WSAECONNRESET || error == WSAECONNABORTED) && is_first &&
        chance(IMMEDIATE, number, ~nth, 2)) {
        fail_now(operation, error);
        return error;
    }
    if (operation->error != 0 || !is_first) {
        complete_later(operation, 0);
        return WSA_IO_PENDING;
    }
    if (chance(PENDING, number, nth, 3)) {
        complete_later(operation, 1 + draw(PENDING, number, nth + 1) % 6);
        return WSA_IO_PENDING;
    }
    complete(operation, true);
    return 0;
}

/* The real call has returned: 0, WSA_IO_PENDING, or the error of its failure. Decides what the
 * program's call returns; only then may the thread of system.h complete the operation. */
static int returned(struct operation *operation, int error)
{
    unsigned number = operation->socket_number, nth = operation->nth;

    take_lock();
    if (error == 0)
        real_completed(operation, (DWORD)operation->real.InternalHigh, 0, 0);
    else if (error == WSA_IO_PENDING && chance(IMMEDIATE, number, nth, 3))
        SleepConditionVariableSRW(&completed, &lock, 3, 0);
    else if (error != WSA_IO_PENDING)
        fail_now(operation, error);
    operation->caller_is_inside = false;
    if (operation->stage == HELD)
        error = complete_held(operation);
    /* Another thread may take the packet before this call has returned. */
    bool is_late =
        error == WSA_IO_PENDING && operation->port != NULL && chance(ORDER, number, nth + 7, 4);
    release_lock();
    if (is_late)
        Sleep(3);
    WSASetLastError(error);
    return error;
}

/* The byte count of an overlapped call. */
static void check_byte_count(const struct place *place, const DWORD *bytes)
{
    if (bytes != NULL)
        broken(RULE_BYTE_COUNT, place,
               "is overlapped, yet asks for a byte count: pass NULL; the completion reports it",
               NULL);
}

/* Makes the system complete the operations of this socket at our port. False: it has another
 * one, or is not a stream, which is left to Winsock. Call it with the lock. */
static bool take_over(struct socket_record *record)
{
    if (!record->is_stream || record->is_ours || record->is_foreign)
        return record->is_ours;
    HANDLE handle = (HANDLE)record->socket;
    record->is_ours =
        CreateIoCompletionPort(handle, system_port, (ULONG_PTR)record, 0) != NULL &&
        SetFileCompletionNotificationModes(handle, FILE_SKIP_COMPLETION_PORT_ON_SUCCESS);
    record->is_foreign = !record->is_ours;
    return record->is_ours;
}

/* Whether the verifier carries out this overlapped call. */
static bool take_over_call(const struct place *place, struct socket_record *record)
{
    if (record == NULL)
        return false;
    if (!record->can_overlap)
        broken(RULE_OVERLAPPED_FLAG, place,
               "is overlapped, but its socket was made without WSA_FLAG_OVERLAPPED by",
               &record->made);
    return take_over(record);
}

/* Winsock has carried out an overlapped call with the program's OVERLAPPED. If that completed
 * immediately, no packet has come to our port (see take_over): then the program's is sent here. */
static int passed(const struct socket_record *record, OVERLAPPED *overlapped, int result)
{
    int error = WSAGetLastError();

    if (result == 0 && overlapped != NULL && record != NULL && record->is_ours &&
        record->port != NULL && !(record->modes & FILE_SKIP_COMPLETION_PORT_ON_SUCCESS) &&
        !((ULONG_PTR)overlapped->hEvent & 1))
        PostQueuedCompletionStatus(record->port, (DWORD)overlapped->InternalHigh, record->key,
                                   overlapped);
    WSASetLastError(error);
    return result;
}

/* ---- receive and send ---------------------------------------------------------------------- */

static bool lacks_flags(const struct place *place, const DWORD *flags)
{
    if (flags != NULL)
        return false;
    broken_now(RULE_BYTE_COUNT, place, "is given NULL for its flags, which are needed", NULL);
    WSASetLastError(WSAEFAULT);
    return true;
}

/* Without an OVERLAPPED it is the same as recv. Bytes that were read ahead are given into the
 * first of several buffers: a receive may give fewer than have arrived. */
static int receive_now(const struct place *place, SOCKET socket, WSABUF *buffers, DWORD count,
                       DWORD *bytes, DWORD *flags)
{
    struct call_inside call;

    while (count > 1 && buffers->len == 0) {
        buffers++;
        count--;
    }
    take_lock();
    const struct socket_record *record = use_socket(place, socket);
    bool is_real = count != 1 && !is_ahead(record);
    if (is_real)
        enter_call(&call, place, socket, record != NULL && record->is_stream, false);
    release_lock();
    if (is_real) {
        int result = WSARecv(socket, buffers, count, bytes, flags, NULL, NULL);
        end_call(&call);
        return result;
    }
    int result = receive_bytes(place, socket, buffers->buf, (int)buffers->len, (int)*flags);
    if (result == SOCKET_ERROR)
        return SOCKET_ERROR;
    *flags = 0;
    if (bytes != NULL)
        *bytes = (DWORD)result;
    return 0;
}

/* Between any two calls another program may run for a while. Meanwhile a client that has just been
 * accepted may reset its connection, so that the first receive fails immediately. */
static void interrupt_first_receive(SOCKET socket)
{
    enum { INTERRUPTION_MS = 3 };

    take_lock();
    const struct socket_record *record = find_socket(socket);
    bool interrupted =
        record != NULL && record->receives == 0 && chance(INTERRUPTED, record->number, 0, 4);
    release_lock();
    if (interrupted)
        Sleep(INTERRUPTION_MS);
}

static int receive_overlapped(const struct place *place, SOCKET socket, WSABUF *buffers,
                              DWORD count, DWORD *bytes, DWORD *flags, WSAOVERLAPPED *overlapped,
                              LPWSAOVERLAPPED_COMPLETION_ROUTINE routine)
{
    struct operation *operation = NULL;
    WSABUF own;
    int read_ahead = 0;
    bool was_ahead = false;

    interrupt_first_receive(socket);
    take_lock();
    struct socket_record *record = use_socket(place, socket);
    bool ours = take_over_call(place, record) && count > 0;
    if (ours) {
        check_byte_count(place, bytes);
        operation = begin(place, RECEIVE, record, overlapped, routine, buffers, count);
    }
    if (operation != NULL) {
        own.buf = operation->bytes;
        own.len = (ULONG)operation->size;
        if (own.len > 1 && may_be_cut(record, (int)*flags) &&
            chance(PIECES, record->number, operation->nth, 3))
            own.len = (ULONG)piece_of(record, operation->nth + 1, (int)own.len);
        was_ahead = receive_from_ahead(record, own.buf, (int)own.len, (int)*flags, &read_ahead);
    }
    release_lock();
    if (!ours)
        return passed(record, overlapped,
                      WSARecv(socket, buffers, count, bytes, flags, overlapped, routine));
    if (operation == NULL)
        return SOCKET_ERROR;
    int error = 0;
    if (was_ahead) {
        operation->real.InternalHigh = (ULONG_PTR)read_ahead;
        error = read_ahead == SOCKET_ERROR ? WSAECONNRESET : 0;
    } else if (WSARecv(socket, &own, 1, NULL, flags, &operation->real, NULL) == SOCKET_ERROR) {
        error = WSAGetLastError();
    }
    error = returned(operation, error);
    if (error == 0 && bytes != NULL)
        *bytes = operation->transferred;
    return error == 0 ? 0 : SOCKET_ERROR;
}

static int receive(const struct place *place, SOCKET socket, WSABUF *buffers, DWORD count,
                   DWORD *bytes, DWORD *flags, WSAOVERLAPPED *overlapped,
                   LPWSAOVERLAPPED_COMPLETION_ROUTINE routine)
{
    if (lacks_flags(place, flags))
        return SOCKET_ERROR;
    if (overlapped == NULL)
        return receive_now(place, socket, buffers, count, bytes, flags);
    return receive_overlapped(place, socket, buffers, count, bytes, flags, overlapped, routine);
}

int verifier_WSARecv(VERIFIER_AT, SOCKET socket, WSABUF *buffers, DWORD count, DWORD *bytes,
                     DWORD *flags, WSAOVERLAPPED *overlapped,
                     LPWSAOVERLAPPED_COMPLETION_ROUTINE routine)
{
    struct place place = at("WSARecv", file, line);
    return receive(&place, socket, buffers, count, bytes, flags, overlapped, routine);
}

int verifier_WSARecvFrom(VERIFIER_AT, SOCKET socket, WSABUF *buffers, DWORD count, DWORD *bytes,
                         DWORD *flags, struct sockaddr *from, int *from_length,
                         WSAOVERLAPPED *overlapped, LPWSAOVERLAPPED_COMPLETION_ROUTINE routine)
{
    struct place place = at("WSARecvFrom", file, line);

    if (is_stream(socket))
        return receive(&place, socket, buffers, count, bytes, flags, overlapped, routine);
    leave_overlapped(overlapped);
    take_lock();
    use_socket(&place, socket);
    release_lock();
    return WSARecvFrom(socket, buffers, count, bytes, flags, from, from_length, overlapped,
                       routine);
}

static int send_overlapped(const struct place *place, SOCKET socket, WSABUF *buffers, DWORD count,
                           DWORD *bytes, DWORD flags, WSAOVERLAPPED *overlapped,
                           LPWSAOVERLAPPED_COMPLETION_ROUTINE routine)
{
    struct operation *operation = NULL;
    WSABUF own;

    take_lock();
    struct socket_record *record = use_socket(place, socket);
    bool ours = take_over_call(place, record) && count > 0;
    if (ours) {
        check_byte_count(place, bytes);
        operation = begin(place, SEND, record, overlapped, routine, buffers, count);
    }
    if (operation != NULL) {
        own.buf = operation->bytes;
        own.len = (ULONG)operation->size;
        if (own.len > 1 && earlier_one(operation) == NULL &&
            chance(SHORT_SENDS, record->number, operation->nth, 5))
            own.len = 1 + draw(SHORT_SENDS, record->number, operation->nth + 1) % own.len;
    }
    release_lock();
    if (!ours)
        return passed(record, overlapped,
                      WSASend(socket, buffers, count, bytes, flags, overlapped, routine));
    if (operation == NULL)
        return SOCKET_ERROR;
    int result = WSASend(socket, &own, 1, NULL, flags, &operation->real, NULL);
    int error = returned(operation, result == 0 ? 0 : WSAGetLastError());
    if (error == 0 && bytes != NULL)
        *bytes = operation->transferred;
    return error == 0 ? 0 : SOCKET_ERROR;
}

static int send_buffers(const struct place *place, SOCKET socket, WSABUF *buffers, DWORD count,
                        DWORD *bytes, DWORD flags, WSAOVERLAPPED *overlapped,
                        LPWSAOVERLAPPED_COMPLETION_ROUTINE routine)
{
    if (overlapped != NULL)
        return send_overlapped(place, socket, buffers, count, bytes, flags, overlapped, routine);
    if (count != 1) {
        struct call_inside call;
        take_lock();
        const struct socket_record *record = use_socket(place, socket);
        enter_call(&call, place, socket, false, record != NULL && record->is_stream);
        release_lock();
        int result = WSASend(socket, buffers, count, bytes, flags, NULL, NULL);
        end_call(&call);
        return result;
    }
    int result = send_bytes(place, socket, buffers->buf, (int)buffers->len, (int)flags);
    if (result != SOCKET_ERROR && bytes != NULL)
        *bytes = (DWORD)result;
    return result == SOCKET_ERROR ? SOCKET_ERROR : 0;
}

int verifier_WSASend(VERIFIER_AT, SOCKET socket, WSABUF *buffers, DWORD count, DWORD *bytes,
                     DWORD flags, WSAOVERLAPPED *overlapped,
                     LPWSAOVERLAPPED_COMPLETION_ROUTINE routine)
{
    struct place place = at("WSASend", file, line);
    return send_buffers(&place, socket, buffers, count, bytes, flags, overlapped, routine);
}

int verifier_WSASendTo(VERIFIER_AT, SOCKET socket, WSABUF *buffers, DWORD count, DWORD *bytes,
                       DWORD flags, const struct sockaddr *to, int to_length,
                       WSAOVERLAPPED *overlapped, LPWSAOVERLAPPED_COMPLETION_ROUTINE routine)
{
    struct place place = at("WSASendTo", file, line);

    if (is_stream(socket))
        return send_buffers(&place, socket, buffers, count, bytes, flags, overlapped, routine);
    leave_overlapped(overlapped);
    take_lock();
    use_socket(&place, socket);
    release_lock();
    return WSASendTo(socket, buffers, count, bytes, flags, to, to_length, overlapped, routine);
}

static bool is_socket(HANDLE handle)
{
    take_lock();
    /* A closed socket still counts as a socket, unless its number now belongs to another handle. */
    const struct socket_record *record = find_socket((SOCKET)handle);
    DWORD flags;
    bool known = record != NULL && (record->open || !GetHandleInformation(handle, &flags));
    release_lock();
    return known;
}

/* For a socket, ReadFile and WriteFile are the same as WSARecv and WSASend. */
BOOL verifier_ReadFile(VERIFIER_AT, HANDLE handle, void *bytes, DWORD length, DWORD *done,
                       OVERLAPPED *overlapped)
{
    struct place place = at("ReadFile", file, line);
    WSABUF buffer = {length, bytes};
    DWORD flags = 0;

    if (overlapped == NULL || !is_socket(handle)) {
        leave_overlapped(overlapped);
        return ReadFile(handle, bytes, length, done, overlapped);
    }
    return receive_overlapped(&place, (SOCKET)handle, &buffer, 1, NULL, &flags, overlapped, NULL) ==
           0;
}

BOOL verifier_WriteFile(VERIFIER_AT, HANDLE handle, const void *bytes, DWORD length, DWORD *done,
                        OVERLAPPED *overlapped)
{
    struct place place = at("WriteFile", file, line);
    WSABUF buffer = {length, (char *)bytes};

    if (overlapped == NULL || !is_socket(handle)) {
        leave_overlapped(overlapped);
        return WriteFile(handle, bytes, length, done, overlapped);
    }
    return send_overlapped(&place, (SOCKET)handle, &buffer, 1, NULL, 0, overlapped, NULL) == 0;
}

/* ---- AcceptEx, ConnectEx, DisconnectEx and TransmitFile ------------------------------------- */

static LPFN_ACCEPTEX real_accept_ex;
static LPFN_CONNECTEX real_connect_ex;
static LPFN_DISCONNECTEX real_disconnect_ex;
static LPFN_TRANSMITFILE real_transmit_file;

static void find_function(SOCKET socket, GUID guid, void *function, DWORD size)
{
    DWORD bytes;
    WSAIoctl(socket, SIO_GET_EXTENSION_FUNCTION_POINTER, &guid, sizeof guid, function, size, &bytes,
             NULL, NULL);
}

static void check_address_lengths(const struct place *place, SOCKET listener, DWORD local,
                                  DWORD remote)
{
    struct sockaddr_storage address = {0};
    int length = sizeof address;
    DWORD least;

    if (getsockname(listener, (struct sockaddr *)&address, &length) == SOCKET_ERROR)
        return;
    least = 16 + (address.ss_family == AF_INET6 ? (DWORD)sizeof(struct sockaddr_in6)
                                                : (DWORD)sizeof(struct sockaddr_in));
    if (local < least || remote < least)
        broken(RULE_CONTEXT, place,
               "is given too short a length: an address takes 16 bytes more than its own size",
               NULL);
}

static BOOL accept_overlapped(const struct place *place, SOCKET listener, SOCKET accepted,
                              void *buffer, DWORD data_length, DWORD local_length,
                              DWORD remote_length, DWORD *bytes, OVERLAPPED *overlapped)
{
    struct operation *operation = NULL;
    WSABUF whole = {data_length + local_length + remote_length, buffer};
    GUID guid = WSAID_ACCEPTEX;
    int error = 0;
    bool is_reset = false, is_reset_later = false;

    if (!may_begin(place))
        return FALSE;
    if (real_accept_ex == NULL)
        find_function(listener, guid, &real_accept_ex, sizeof real_accept_ex);
    take_lock();
    struct socket_record *record = use_socket(place, listener);
    use_socket(place, accepted);
    bool ours = take_over_call(place, record);
    if (ours) {
        check_address_lengths(place, listener, local_length, remote_length);
        operation = begin(place, ACCEPT, record, overlapped, NULL, &whole, 1);
    }
    if (operation != NULL) {
        operation->accepted = accepted;
        is_reset = chance(ACCEPT_RESET, record->number, 2 * operation->nth, 9);
        is_reset_later = chance(ACCEPT_RESET, record->number, 2 * operation->nth + 1, 9);
    }
    release_lock();
    if (!ours)
        return real_accept_ex(listener, accepted, buffer, data_length, local_length, remote_length,
                              bytes, overlapped);
    if (operation == NULL)
        return FALSE;
    if (is_reset) {
        error = WSAECONNRESET;
    } else if (is_reset_later) {
        take_lock();
        real_completed(operation, 0, ERROR_NETNAME_DELETED, WSAECONNRESET);
        release_lock();
        error = WSA_IO_PENDING;
    } else if (!real_accept_ex(listener, accepted, operation->bytes, data_length, local_length,
                               remote_length, bytes, &operation->real)) {
        error = WSAGetLastError();
    }
    return returned(operation, error) == 0;
}

BOOL verifier_AcceptEx(VERIFIER_AT, SOCKET listener, SOCKET accepted, void *buffer,
                       DWORD data_length, DWORD local_length, DWORD remote_length, DWORD *bytes,
                       OVERLAPPED *overlapped)
{
    struct place place = at("AcceptEx", file, line);
    return accept_overlapped(&place, listener, accepted, buffer, data_length, local_length,
                             remote_length, bytes, overlapped);
}

/* The functions whose addresses WSAIoctl gives to the program. */
static BOOL PASCAL accept_ex(SOCKET listener, SOCKET accepted, void *buffer, DWORD data_length,
                             DWORD local_length, DWORD remote_length, DWORD *bytes,
                             OVERLAPPED *overlapped)
{
    struct place place = near_last("AcceptEx");
    return accept_overlapped(&place, listener, accepted, buffer, data_length, local_length,
                             remote_length, bytes, overlapped);
}

static BOOL PASCAL connect_ex(SOCKET socket, const struct sockaddr *address, int length,
                              void *bytes, DWORD size, DWORD *sent, OVERLAPPED *overlapped)
{
    struct place place = near_last("ConnectEx");
    struct operation *operation = NULL;
    WSABUF first = {size, bytes};
    int error = 0;

    if (!may_begin(&place))
        return FALSE;
    take_lock();
    struct socket_record *record = use_socket(&place, socket);
    bool ours = take_over_call(&place, record);
    if (record != NULL && !record->bound)
        broken(RULE_CONTEXT, &place, "needs a bound socket: bind was not called for it", NULL);
    if (ours)
        operation = begin(&place, CONNECT, record, overlapped, NULL, &first, size != 0);
    if (operation != NULL)
        gather(operation, operation->bytes);
    release_lock();
    if (!ours)
        return real_connect_ex(socket, address, length, bytes, size, sent, overlapped);
    if (operation == NULL)
        return FALSE;
    if (!real_connect_ex(socket, address, length, size != 0 ? operation->bytes : NULL, size, sent,
                         &operation->real))
        error = WSAGetLastError();
    return returned(operation, error) == 0;
}

/* The last two are left to Winsock. */
static BOOL PASCAL disconnect_ex(SOCKET socket, OVERLAPPED *overlapped, DWORD flags, DWORD reserved)
{
    struct place place = near_last("DisconnectEx");

    take_lock();
    struct socket_record *record = use_socket(&place, socket);
    if (record != NULL)
        record->shut_down = true;
    release_lock();
    leave_overlapped(overlapped);
    BOOL succeeded = real_disconnect_ex(socket, overlapped, flags, reserved);
    /* Wine says that it is pending when it has completed, and then sends no packet either. */
    if (!succeeded && under_wine && overlapped != NULL && overlapped->Internal == 0)
        return passed(record, overlapped, 0) != 0;
    return passed(record, overlapped, succeeded ? 0 : SOCKET_ERROR) == 0;
}

static BOOL transmit(const struct place *place, SOCKET socket, HANDLE from, DWORD length,
                     DWORD each, OVERLAPPED *overlapped, TRANSMIT_FILE_BUFFERS *around, DWORD flags)
{
    GUID guid = WSAID_TRANSMITFILE;

    if (!may_begin(place))
        return FALSE;
    take_lock();
    const struct socket_record *record = use_socket(place, socket);
    release_lock();
    if (real_transmit_file == NULL)
        find_function(socket, guid, &real_transmit_file, sizeof real_transmit_file);
    if (real_transmit_file == NULL)
        return FALSE;
    leave_overlapped(overlapped);
    BOOL succeeded = real_transmit_file(socket, from, length, each, overlapped, around, flags);
    return passed(record, overlapped, succeeded ? 0 : SOCKET_ERROR) == 0;
}

static BOOL PASCAL transmit_file(SOCKET socket, HANDLE from, DWORD length, DWORD each,
                                 OVERLAPPED *overlapped, TRANSMIT_FILE_BUFFERS *around, DWORD flags)
{
    struct place place = near_last("TransmitFile");
    return transmit(&place, socket, from, length, each, overlapped, around, flags);
}

BOOL verifier_TransmitFile(VERIFIER_AT, SOCKET socket, HANDLE from, DWORD length, DWORD each,
                           OVERLAPPED *overlapped, TRANSMIT_FILE_BUFFERS *around, DWORD flags)
{
    struct place place = at("TransmitFile", file, line);
    return transmit(&place, socket, from, length, each, overlapped, around, flags);
}

/* Puts the address of ours in place of the real function's, if it is the one of this GUID. */
static void replace_function(const void *asked, GUID guid, void *address, void *real,
                             const void *ours)
{
    if (memcmp(asked, &guid, sizeof guid) != 0)
        return;
    memcpy(real, address, sizeof real_accept_ex);
    memcpy(address, ours, sizeof real_accept_ex);
}

int verifier_WSAIoctl(VERIFIER_AT, SOCKET socket, DWORD command, void *in, DWORD in_size, void *out,
                      DWORD out_size, DWORD *bytes, WSAOVERLAPPED *overlapped,
                      LPWSAOVERLAPPED_COMPLETION_ROUTINE routine)
{
    static const GUID accept_id = WSAID_ACCEPTEX, connect_id = WSAID_CONNECTEX;
    static const GUID disconnect_id = WSAID_DISCONNECTEX, transmit_id = WSAID_TRANSMITFILE;
    static const LPFN_ACCEPTEX our_accept = accept_ex;
    static const LPFN_CONNECTEX our_connect = connect_ex;
    static const LPFN_DISCONNECTEX our_disconnect = disconnect_ex;
    static const LPFN_TRANSMITFILE our_transmit = transmit_file;
    struct place place = at("WSAIoctl", file, line);

    take_lock();
    struct socket_record *record = use_socket(&place, socket);
    release_lock();
    int result = WSAIoctl(socket, command, in, in_size, out, out_size, bytes, overlapped, routine);
    if (result == 0 && record != NULL && command == FIONBIO && in_size >= sizeof(u_long))
        record->non_blocking = *(const u_long *)in != 0;
    if (result != 0 || command != SIO_GET_EXTENSION_FUNCTION_POINTER || in_size != sizeof(GUID) ||
        out_size < sizeof real_accept_ex)
        return result;
    replace_function(in, accept_id, out, &real_accept_ex, &our_accept);
    replace_function(in, connect_id, out, &real_connect_ex, &our_connect);
    replace_function(in, disconnect_id, out, &real_disconnect_ex, &our_disconnect);
    replace_function(in, transmit_id, out, &real_transmit_file, &our_transmit);
    return 0;
}

/* ---- results and cancellation -------------------------------------------------------------- */

/* The program has asked, and so it knows the result. A routine or a packet still comes. */
static void learn_from_question(struct operation *operation)
{
    if (operation->stage == NOTIFIED && operation->routine == NULL &&
        (operation->port == NULL || operation->no_packet))
        put_at_rest(operation, AT_REST);
}

/* Waits for the end if asked to. False: it has not come. Call it with the lock. Of the two
 * functions only Winsock's demands an event; the other one may wait for the handle. */
static bool has_ended(const struct place *place, const struct operation *operation, BOOL wait,
                      bool for_winsock)
{
    if (wait && for_winsock && in_progress(operation) && operation->event == NULL)
        broken(RULE_RESULT, place,
               "is asked to wait, but the OVERLAPPED has no event; the operation was begun by",
               &operation->place);
    while (wait && in_progress(operation) && operation->stage < NOTIFIED)
        SleepConditionVariableSRW(&completed, &lock, INFINITE, 0);
    return operation->stage == NOTIFIED || !in_progress(operation);
}

/* False: the operation is not one of ours. Otherwise *error is its outcome. */
static bool result_of(const struct place *place, OVERLAPPED *overlapped, DWORD *bytes, BOOL wait,
                      bool for_winsock, int *error)
{
    take_lock();
    struct operation *operation = find_operation(overlapped);
    bool known = operation != NULL;
    if (known && operation->stage == FAILED_NOW)
        broken(RULE_FAILED_AT_ONCE, place,
               "asks for the result of an operation that failed immediately in", &operation->place);
    if (known && !has_ended(place, operation, wait, for_winsock)) {
        *error = WSA_IO_INCOMPLETE;
    } else if (known) {
        *error = for_winsock ? operation->winsock_error : (int)operation->error;
        if (*error == 0)
            *bytes = operation->transferred;
        learn_from_question(operation);
    }
    release_lock();
    return known;
}

BOOL verifier_WSAGetOverlappedResult(VERIFIER_AT, SOCKET socket, WSAOVERLAPPED *overlapped,
                                     DWORD *bytes, BOOL wait, DWORD *flags)
{
    struct place place = at("WSAGetOverlappedResult", file, line);
    DWORD unused_flags;
    int error;

    if (flags == NULL) {
        broken_now(RULE_RESULT, &place,
                   "is given NULL for its flags: on Windows the program crashes", NULL);
        flags = &unused_flags;
    }
    take_lock();
    use_socket(&place, socket);
    release_lock();
    if (!result_of(&place, overlapped, bytes, wait, true, &error))
        return WSAGetOverlappedResult(socket, overlapped, bytes, wait, flags);
    *flags = 0;
    WSASetLastError(error);
    return error == 0;
}

BOOL verifier_GetOverlappedResult(VERIFIER_AT, HANDLE handle, OVERLAPPED *overlapped, DWORD *bytes,
                                  BOOL wait)
{
    struct place place = at("GetOverlappedResult", file, line);
    int error;

    if (!result_of(&place, overlapped, bytes, wait, false, &error))
        return GetOverlappedResult(handle, overlapped, bytes, wait);
    SetLastError((DWORD)error);
    return error == 0;
}

BOOL verifier_HasOverlappedIoCompleted(const OVERLAPPED *overlapped)
{
    take_lock();
    struct operation *operation = find_operation(overlapped);
    if (operation != NULL)
        learn_from_question(operation);
    release_lock();
    return overlapped->Internal != STATUS_IS_PENDING;
}

/* Cancels the operations in progress on the socket; only this one, or only the thread's, if these
 * are not NULL. Returns whether there was one. */
static bool cancel(SOCKET socket, const OVERLAPPED *overlapped, const struct thread *thread)
{
    bool found = false;

    take_lock();
    for (struct operation *operation = operations; operation != NULL; operation = operation->next) {
        if (operation->socket != socket || operation->stage >= NOTIFIED ||
            (overlapped != NULL && operation->overlapped != overlapped) ||
            (thread != NULL && operation->thread != thread))
            continue;
        found = true;
        operation->cancelled = true;
        if (operation->stage == BEGUN)
            CancelIoEx((HANDLE)socket, &operation->real);
        else
            complete_later(operation, 0);
    }
    release_lock();
    return found;
}

BOOL verifier_CancelIoEx(VERIFIER_AT, HANDLE handle, OVERLAPPED *overlapped)
{
    at("CancelIoEx", file, line);
    if (!is_socket(handle))
        return CancelIoEx(handle, overlapped);
    if (cancel((SOCKET)handle, overlapped, NULL))
        return TRUE;
    /* There may be one that is not ours; if not, this call reports that there is none. */
    return CancelIoEx(handle, overlapped);
}

BOOL verifier_CancelIo(VERIFIER_AT, HANDLE handle)
{
    at("CancelIo", file, line);
    if (is_socket(handle))
        cancel((SOCKET)handle, NULL, this_thread());
    return CancelIo(handle);
}
