/*
 * ports.h - completion ports, handles and threads. A part of verifier.c.
 */
struct port_record {
    struct port_record *next;
    HANDLE port;
    bool open;
    struct place made;
};

static struct port_record *ports;
static bool has_handler; /* of Ctrl+C: it may run at any time, on a separate thread */

static struct port_record *find_port(HANDLE port)
{
    struct port_record *record = ports;
    while (record != NULL && (record->port != port || !record->open))
        record = record->next;
    return record;
}

/* A pointer cut to 32 bits is no longer an address of the program but the lower half of one: the
 * malloc of verifier.c gives only addresses that need both halves. */
static bool is_half_of_address(ULONG_PTR key)
{
    ULONG_PTR whole = (ULONG_PTR)arena + (key - (ULONG_PTR)(DWORD)(ULONG_PTR)arena);
    if (sizeof(void *) == 4 || key == 0 || key > 0xFFFFFFFF || (ULONG_PTR)arena < 0xFFFFFFFF)
        return false;
    const struct block *block = block_of((const void *)whole);
    return block != NULL && !block->is_free && (const char *)whole == block->bytes;
}

HANDLE verifier_CreateIoCompletionPort(VERIFIER_AT, HANDLE handle, HANDLE port, ULONG_PTR key,
                                       DWORD threads)
{
    struct place place = at("CreateIoCompletionPort", file, line);
    HANDLE result = port;
    struct port_record *record = NULL; /* of a new port */

    take_lock();
    if (port == NULL) {
        result = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, threads);
        if (result != NULL) {
            record = own_memory(sizeof *record);
            *record = (struct port_record){ports, result, true, place};
            ports = record;
        }
    }
    if (is_half_of_address(key))
        broken(RULE_WHOLE_KEY, &place,
               "is given half of an address as its key: was the pointer cast to DWORD?", NULL);
    struct socket_record *socket = find_socket((SOCKET)handle);
    bool is_ours = handle != INVALID_HANDLE_VALUE && result != NULL && socket != NULL &&
                   use_socket(&place, (SOCKET)handle) != NULL && socket->port == NULL &&
                   take_over(socket);
    if (is_ours) {
        socket->port = result;
        socket->key = key;
    }
    release_lock();
    if (handle == INVALID_HANDLE_VALUE || is_ours)
        return result;
    if (CreateIoCompletionPort(handle, result, key, threads) != NULL)
        return result;
    if (record != NULL) { /* a call that fails makes no port either */
        DWORD error = GetLastError();
        take_lock();
        record->open = false;
        release_lock();
        CloseHandle(result);
        SetLastError(error);
    }
    return NULL;
}

/* A packet for the program. Returns what GetQueuedCompletionStatus does: whether it succeeded. */
static BOOL take_packet(DWORD *bytes, ULONG_PTR *key, OVERLAPPED **overlapped, ULONG_PTR *status)
{
    struct operation *operation = (struct operation *)*overlapped;
    DWORD error;

    take_lock();
    error = operation->error;
    *bytes = operation->transferred;
    *key = operation->key;
    *overlapped = operation->address;
    *status = error == 0                         ? 0
              : error == ERROR_OPERATION_ABORTED ? STATUS_IS_CANCELLED
                                                 : STATUS_IS_FAILED;
    put_at_rest(operation, AT_REST);
    release_lock();
    SetLastError(error);
    return error == 0;
}

/* The packets of failed operations that were left to Winsock: see pass_on. */
struct failed_packet {
    struct failed_packet *next;
    const OVERLAPPED *overlapped;
    DWORD error;
};

static struct failed_packet *failed_packets;

static void keep_failed_packet(const OVERLAPPED *overlapped, DWORD error)
{
    struct failed_packet *packet = own_memory(sizeof *packet);

    take_lock();
    *packet = (struct failed_packet){failed_packets, overlapped, error};
    failed_packets = packet;
    release_lock();
}

/* The error of a packet that is not ours; 0: it is of a success, or posted by the program. */
static DWORD error_of_packet(const OVERLAPPED *overlapped)
{
    DWORD error = 0;

    take_lock();
    for (struct failed_packet **link = &failed_packets; *link != NULL; link = &(*link)->next) {
        struct failed_packet *packet = *link;
        if (packet->overlapped != overlapped)
            continue;
        error = packet->error;
        *link = packet->next;
        HeapFree(GetProcessHeap(), 0, packet);
        break;
    }
    release_lock();
    return error;
}

BOOL verifier_GetQueuedCompletionStatus(VERIFIER_AT, HANDLE port, DWORD *bytes, ULONG_PTR *key,
                                        OVERLAPPED **overlapped, DWORD milliseconds)
{
    ULONG_PTR status;
    at("GetQueuedCompletionStatus", file, line);
    this_thread()->takes_packet = true;
    BOOL succeeded = GetQueuedCompletionStatus(port, bytes, key, overlapped, milliseconds);
    this_thread()->takes_packet = false;
    if (*overlapped == NULL)
        return succeeded;
    if (is_operation(*overlapped))
        return take_packet(bytes, key, overlapped, &status);
    DWORD error = succeeded ? error_of_packet(*overlapped) : GetLastError();
    SetLastError(error);
    return error == 0;
}

BOOL verifier_GetQueuedCompletionStatusEx(VERIFIER_AT, HANDLE port, OVERLAPPED_ENTRY *entries,
                                          ULONG count, ULONG *taken, DWORD milliseconds,
                                          BOOL alertable)
{
    at("GetQueuedCompletionStatusEx", file, line);
    this_thread()->takes_packet = true;
    BOOL succeeded =
        GetQueuedCompletionStatusEx(port, entries, count, taken, milliseconds, alertable);
    this_thread()->takes_packet = false;
    if (!succeeded)
        return FALSE;
    for (ULONG i = 0; i < *taken; i++) {
        OVERLAPPED_ENTRY *entry = &entries[i];
        if (entry->lpOverlapped != NULL && is_operation(entry->lpOverlapped))
            take_packet(&entry->dwNumberOfBytesTransferred, &entry->lpCompletionKey,
                        &entry->lpOverlapped, &entry->Internal);
        else if (entry->lpOverlapped != NULL && error_of_packet(entry->lpOverlapped) != 0)
            entry->Internal = STATUS_IS_FAILED;
    }
    return TRUE;
}

BOOL verifier_SetFileCompletionNotificationModes(VERIFIER_AT, HANDLE handle, UCHAR modes)
{
    struct place place = at("SetFileCompletionNotificationModes", file, line);

    if (!is_socket(handle))
        return SetFileCompletionNotificationModes(handle, modes);
    take_lock();
    struct socket_record *record = use_socket(&place, (SOCKET)handle);
    if (record != NULL)
        record->modes |= modes;
    bool is_ours = record != NULL && record->is_ours;
    release_lock();
    return is_ours || SetFileCompletionNotificationModes(handle, modes);
}

BOOL verifier_CloseHandle(VERIFIER_AT, HANDLE handle)
{
    struct place place = at("CloseHandle", file, line);

    take_lock();
    const struct socket_record *socket = find_socket((SOCKET)handle);
    struct port_record *port = find_port(handle);
    bool is_socket_still = socket != NULL && socket->open;
    if (is_socket_still)
        broken(RULE_CLOSED, &place, "closes a socket, which needs closesocket; it was made by",
               &socket->made);
    if (port != NULL)
        port->open = false;
    release_lock();
    if (is_socket_still)
        return verifier_closesocket(file, line, (SOCKET)handle) == 0;
    return CloseHandle(close_event(&place, handle) ? handle : NULL);
}

/* ---- threads ------------------------------------------------------------------------------- */

struct start {
    LPTHREAD_START_ROUTINE function;
    unsigned(__stdcall *other_function)(void *);
    void *argument;
};

/* When a thread ends, its operations are cancelled, except those of a socket with a port. */
static void thread_ends(struct thread *thread)
{
    take_lock();
    thread->ended = true;
    for (struct operation *operation = operations; operation != NULL; operation = operation->next) {
        if (operation->thread != thread || operation->port != NULL || operation->stage >= NOTIFIED)
            continue;
        broken(RULE_THREAD_ENDS, &operation->place,
               "is still in progress when the thread that began it ends, which cancels it", NULL);
        operation->cancelled = true;
        CancelIoEx((HANDLE)operation->socket, &operation->real);
    }
    release_lock();
}

static unsigned run_thread(struct start *start)
{
    struct start copy = *start;
    struct thread *thread = this_thread();
    unsigned status;

    thread->made_by_program = true;
    HeapFree(GetProcessHeap(), 0, start);
    if (copy.function != NULL)
        status = copy.function(copy.argument);
    else
        status = copy.other_function(copy.argument);
    thread_ends(thread);
    return status;
}

static DWORD WINAPI run_created(void *start)
{
    return run_thread(start);
}

static unsigned __stdcall run_begun(void *start)
{
    return run_thread(start);
}

/* These two end the thread without coming back. */
void verifier_ExitThread(VERIFIER_AT, DWORD status)
{
    at("ExitThread", file, line);
    thread_ends(this_thread());
    ExitThread(status);
}

void verifier_endthreadex(VERIFIER_AT, unsigned status)
{
    at("_endthreadex", file, line);
    thread_ends(this_thread());
    _endthreadex(status);
}

HANDLE verifier_CreateThread(VERIFIER_AT, SECURITY_ATTRIBUTES *attributes, SIZE_T stack,
                             LPTHREAD_START_ROUTINE start, void *argument, DWORD flags, DWORD *id)
{
    at("CreateThread", file, line);
    struct start *copy = own_memory(sizeof *copy);
    *copy = (struct start){start, NULL, argument};
    return CreateThread(attributes, stack, run_created, copy, flags, id);
}

uintptr_t verifier_beginthreadex(VERIFIER_AT, void *attributes, unsigned stack,
                                 unsigned(__stdcall *start)(void *), void *argument, unsigned flags,
                                 unsigned *id)
{
    at("_beginthreadex", file, line);
    struct start *copy = own_memory(sizeof *copy);
    *copy = (struct start){NULL, start, argument};
    return _beginthreadex(attributes, stack, run_begun, copy, flags, id);
}

BOOL verifier_TerminateThread(VERIFIER_AT, HANDLE thread, DWORD status)
{
    struct place place = at("TerminateThread", file, line);
    DWORD id = GetThreadId(thread);

    take_lock();
    for (struct call_inside **link = &calls_inside; *link != NULL;) {
        struct call_inside *call = *link;
        if (call->thread->id == id)
            broken(RULE_TERMINATED, &place, "ends a thread that is inside", &call->place);
        if (call->thread->id == id)
            *link = call->next; /* it is on the stack, which goes with the thread */
        else
            link = &call->next;
    }
    for (struct wait **link = &waits; *link != NULL;) {
        struct wait *wait = *link;
        if (wait->thread->id == id)
            broken(RULE_TERMINATED, &place, "ends a thread that is inside", &wait->place);
        if (wait->thread->id == id)
            *link = wait->next;
        else
            link = &wait->next;
    }
    for (struct thread *known = threads; known != NULL; known = known->next) {
        if (known->id == id && known->takes_packet) {
            broken(RULE_TERMINATED, &place, "ends a thread that is inside", &known->last);
            known->takes_packet = false;
        }
    }
    BOOL terminated = TerminateThread(thread, status);
    release_lock();
    return terminated;
}

BOOL verifier_SetConsoleCtrlHandler(VERIFIER_AT, PHANDLER_ROUTINE handler, BOOL add)
{
    at("SetConsoleCtrlHandler", file, line);
    if (handler != NULL && add)
        has_handler = true;
    return SetConsoleCtrlHandler(handler, add);
}
