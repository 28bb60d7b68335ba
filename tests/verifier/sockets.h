/*
 * sockets.h - the sockets of the program, and the calls that concern only them. A part of
 * verifier.c.
 */
struct socket_record {
    struct socket_record *next; /* in its chain of the table */
    SOCKET socket;
    unsigned number; /* the first socket is 1 */
    bool open;
    bool is_stream;   /* not of datagrams, which come and go whole */
    bool can_overlap; /* made with WSA_FLAG_OVERLAPPED */
    bool exclusive;
    bool bound;
    bool non_blocking;
    bool needs_accept_context;  /* accepted with AcceptEx, without SO_UPDATE_ACCEPT_CONTEXT */
    bool needs_connect_context; /* connected with ConnectEx, likewise */
    bool stays_open;            /* it need not be closed: see use_socket */
    struct place made, closed;

    /* Its events: see events.h. */
    WSAEVENT event;
    long mask;
    long extra;           /* network events due in addition to those of the system */
    bool send_refused;    /* not by the system, so FD_WRITE must come from us */
    bool close_announced; /* FD_CLOSE has been given */
    bool was_reset;
    bool end_seen;  /* the end of the stream was read ahead */
    char *ahead;    /* bytes that were received before the program asked */
    int ahead_size; /* of them, those before ahead_taken have been given */
    int ahead_taken;
    unsigned receives, sends, accepts; /* so far; the decisions depend on them */
    bool shut_down;                    /* by the program: it sends nothing more */

    /* The last overlapped receive: see check_length_again. */
    const char *last_buffer;
    ULONG last_asked, last_received;

    /* Its port: see ports.h. */
    HANDLE port;
    ULONG_PTR key;
    UCHAR modes;
    bool is_ours;    /* its operations complete at system_port */
    bool is_foreign; /* it belongs to a port that the program does not serve: a thread pool's */
};

enum { TABLE_SIZE = 4096 };

static struct socket_record *socket_table[TABLE_SIZE];
static unsigned sockets_made;

/* A call of a thread on a socket, while it lasts; it is on the stack of that thread. */
struct call_inside {
    struct call_inside *next;
    SOCKET socket;
    const struct thread *thread;
    struct place place;
    bool receives, sends; /* bytes of a stream */
};

static struct call_inside *calls_inside;

static struct socket_record **chain_of(SOCKET socket)
{
    return &socket_table[(socket >> 2) % TABLE_SIZE];
}

static struct socket_record *find_socket(SOCKET socket)
{
    struct socket_record *record = *chain_of(socket);
    while (record != NULL && record->socket != socket)
        record = record->next;
    return record;
}

/* SOCK_STREAM or another one; 0: it is not a socket. The thread's last error stays. */
static int type_of(SOCKET socket)
{
    int type = 0, length = sizeof type, error = WSAGetLastError();

    if (getsockopt(socket, SOL_SOCKET, SO_TYPE, (char *)&type, &length) == SOCKET_ERROR)
        type = 0;
    WSASetLastError(error);
    return type;
}

/* A handle may be given out again: the record of the closed one is then reused. */
static struct socket_record *add_socket(const struct place *place, SOCKET socket)
{
    struct socket_record *record = find_socket(socket);
    struct socket_record *next;

    if (record == NULL) {
        record = own_memory(sizeof *record);
        record->socket = socket;
        record->next = *chain_of(socket);
        *chain_of(socket) = record;
    }
    next = record->next;
    memset(record, 0, sizeof *record);
    record->next = next;
    record->socket = socket;
    record->number = ++sockets_made;
    record->open = true;
    record->is_stream = type_of(socket) == SOCK_STREAM;
    record->can_overlap = true;
    record->made = *place;
    return record;
}

/* Defined in verifier.c: whether Winsock has been started; otherwise the call breaks a rule. */
static bool check_started(const struct place *place);

/* Looks the socket up for a call. NULL: there is none, or it is closed; the rule is then broken,
 * and the real call will fail. Two may stay open: one that was made by a call that does not come
 * through verifier.h, and one that a handler of Ctrl+C uses, and may still be about to. Call it
 * with the lock. */
static struct socket_record *use_socket(const struct place *place, SOCKET socket)
{
    struct socket_record *record = find_socket(socket);

    check_started(place);
    if (socket == INVALID_SOCKET) {
        broken(RULE_UNKNOWN_SOCKET, place,
               "is given INVALID_SOCKET: was the result of the call that makes the socket checked?",
               NULL);
        return NULL;
    }
    if (record == NULL && type_of(socket) == 0) {
        broken(RULE_UNKNOWN_SOCKET, place, "is given a number that is not a socket", NULL);
        return NULL;
    }
    if (record == NULL) {
        record = add_socket(place, socket);
        record->stays_open = true;
    }
    if (!record->open) {
        broken(RULE_CLOSED, place, "uses a socket that was closed by", &record->closed);
        return NULL;
    }
    if (!this_thread_with_lock()->made_by_program)
        record->stays_open = true;
    return record;
}

/* Most calls fail on a socket of AcceptEx until it has the listener's context. True if this one
 * does. */
static bool lacks_context(const struct place *place, const struct socket_record *record)
{
    if (record == NULL || (!record->needs_accept_context && !record->needs_connect_context))
        return false;
    broken(RULE_CONTEXT, place,
           record->needs_accept_context
               ? "comes before SO_UPDATE_ACCEPT_CONTEXT; the socket was made by"
               : "comes before SO_UPDATE_CONNECT_CONTEXT; the socket was made by",
           &record->made);
    return true;
}

/* A call begins that may last. Call it with the lock. */
static void enter_call(struct call_inside *call, const struct place *place, SOCKET socket,
                       bool receives, bool sends)
{
    *call = (struct call_inside){calls_inside, socket,   this_thread_with_lock(),
                                 *place,       receives, sends};
    for (const struct call_inside *other = calls_inside; other != NULL; other = other->next) {
        if (other->socket == socket && other->thread != call->thread &&
            ((receives && other->receives) || (sends && other->sends)))
            broken(RULE_ONE_THREAD, place, "begins while another thread is using this socket in",
                   &other->place);
    }
    calls_inside = call;
}

/* Call it with the lock. */
static void check_blocking(const struct place *place, const struct socket_record *record)
{
    if (record != NULL && !record->non_blocking && this_thread_with_lock()->inside_routines > 0)
        broken(RULE_BLOCKS, place, "may block inside a routine: no other routine runs meanwhile",
               NULL);
}

static void leave_call(const struct call_inside *call)
{
    struct call_inside **link = &calls_inside;
    while (*link != call)
        link = &(*link)->next;
    *link = call->next;
}

/* The call has returned. The thread's last error stays. */
static void end_call(const struct call_inside *call)
{
    int error = WSAGetLastError();

    take_lock();
    leave_call(call);
    release_lock();
    WSASetLastError(error);
}

/* ---- make and close ------------------------------------------------------------------------ */

/* Defined in verifier.c. False: the call fails, with the error set. */
static bool may_begin(const struct place *place);

static SOCKET made_socket(const struct place *place, SOCKET socket, bool can_overlap)
{
    DWORD error = GetLastError();
    if (socket != INVALID_SOCKET) {
        take_lock();
        add_socket(place, socket)->can_overlap = can_overlap;
        release_lock();
    }
    SetLastError(error);
    return socket;
}

SOCKET verifier_socket(VERIFIER_AT, int family, int type, int protocol)
{
    struct place place = at("socket", file, line);
    if (!may_begin(&place))
        return INVALID_SOCKET;
    return made_socket(&place, socket(family, type, protocol), true);
}

SOCKET verifier_WSASocketA(VERIFIER_AT, int family, int type, int protocol, WSAPROTOCOL_INFOA *info,
                           GROUP group, DWORD flags)
{
    struct place place = at("WSASocket", file, line);
    if (!may_begin(&place))
        return INVALID_SOCKET;
    return made_socket(&place, WSASocketA(family, type, protocol, info, group, flags),
                       flags & WSA_FLAG_OVERLAPPED);
}

SOCKET verifier_WSASocketW(VERIFIER_AT, int family, int type, int protocol, WSAPROTOCOL_INFOW *info,
                           GROUP group, DWORD flags)
{
    struct place place = at("WSASocket", file, line);
    if (!may_begin(&place))
        return INVALID_SOCKET;
    return made_socket(&place, WSASocketW(family, type, protocol, info, group, flags),
                       flags & WSA_FLAG_OVERLAPPED);
}

int verifier_closesocket(VERIFIER_AT, SOCKET socket)
{
    struct place place = at("closesocket", file, line);
    const struct thread *self = this_thread();
    bool known = true;

    take_lock();
    struct socket_record *record = find_socket(socket);
    if (record != NULL && !record->open) {
        broken(RULE_CLOSED, &place, "closes a socket that was already closed by", &record->closed);
        known = false;
    } else {
        known = use_socket(&place, socket) != NULL;
    }
    for (const struct call_inside *call = calls_inside; known && call != NULL; call = call->next) {
        if (call->socket == socket && call->thread != self)
            broken(RULE_CLOSED_BESIDE, &place,
                   "closes a socket while another thread is using it in", &call->place);
    }
    if (known) {
        record->open = false;
        record->closed = place;
        if (record->ahead != NULL)
            HeapFree(GetProcessHeap(), 0, record->ahead);
        record->ahead = NULL;
    }
    release_lock();
    /* After this the socket's number may be given out again, so nothing more is done to it. */
    return closesocket(known ? socket : INVALID_SOCKET);
}

/* ---- the listener -------------------------------------------------------------------------- */

int verifier_bind(VERIFIER_AT, SOCKET socket, const struct sockaddr *address, int length)
{
    struct place place = at("bind", file, line);
    take_lock();
    struct socket_record *record = use_socket(&place, socket);
    release_lock();
    int result = bind(socket, address, length);
    if (result == 0 && record != NULL)
        record->bound = true;
    return result;
}

/* What Winsock says: the socket may have the option from another process. */
static bool is_exclusive(SOCKET socket)
{
    int value = 0, length = sizeof value;
    return getsockopt(socket, SOL_SOCKET, SO_EXCLUSIVEADDRUSE, (char *)&value, &length) == 0 &&
           value != 0;
}

int verifier_listen(VERIFIER_AT, SOCKET socket, int backlog)
{
    struct place place = at("listen", file, line);
    take_lock();
    const struct socket_record *record = use_socket(&place, socket);
    if (record != NULL && !record->exclusive && !is_exclusive(socket))
        broken(
            RULE_EXCLUSIVE, &place,
            "listens on a port that others may take: SO_EXCLUSIVEADDRUSE was not set before bind",
            NULL);
    release_lock();
    return listen(socket, backlog);
}

/* Records the socket that accept has given. It has inherited the listener's events. */
static SOCKET accepted_socket(const struct place *place, SOCKET listener, SOCKET accepted)
{
    DWORD error = GetLastError();
    if (accepted != INVALID_SOCKET) {
        take_lock();
        const struct socket_record *from = find_socket(listener);
        struct socket_record *record = add_socket(place, accepted);
        if (from != NULL) {
            record->can_overlap = from->can_overlap;
            record->event = from->event;
            record->mask = from->mask;
            record->non_blocking = from->non_blocking;
        }
        release_lock();
    }
    SetLastError(error);
    return accepted;
}

/* Defined in events.h: gives the network events again, a little later. */
static void give_later(struct socket_record *record, long network_events, DWORD milliseconds);

/* Makes an accept fail although there is a client: true, with the error set. This happens only to a
 * thread that would not wait anyway. After WSAECONNRESET, FD_ACCEPT comes again. After WSAEMFILE it
 * does not: the client is still there, but FD_ACCEPT has come for it once, and WSAEventSelect does
 * not look again. The documentation promises more, but Windows does not repeat a network event
 * because of WSAEventSelect, nor FD_READ after every recv that failed. */
static bool accept_fails(struct socket_record *record)
{
    int error = 0;

    if (record == NULL || !record->non_blocking)
        return false;
    record->accepts++;
    if (chance(ACCEPT_RESET, record->number, record->accepts, 5))
        error = WSAECONNRESET;
    else if (kind_is_on[ACCEPT_FULL] && seed != 0 && record->accepts > 1 &&
             record->accepts % 3 == seed % 3)
        error = WSAEMFILE;
    if (error == 0)
        return false;
    if (error != WSAEMFILE)
        give_later(record, FD_ACCEPT, 1);
    WSASetLastError(error);
    return true;
}

SOCKET verifier_accept(VERIFIER_AT, SOCKET socket, struct sockaddr *address, int *length)
{
    struct place place = at("accept", file, line);
    struct call_inside call;

    take_lock();
    struct socket_record *record = use_socket(&place, socket);
    bool fails = accept_fails(record);
    if (!fails)
        enter_call(&call, &place, socket, false, false);
    release_lock();
    if (fails)
        return INVALID_SOCKET;
    SOCKET accepted = accept(socket, address, length);
    end_call(&call);
    return accepted_socket(&place, socket, accepted);
}

SOCKET verifier_WSAAccept(VERIFIER_AT, SOCKET socket, struct sockaddr *address, int *length,
                          LPCONDITIONPROC condition, DWORD_PTR data)
{
    if (condition == NULL)
        return verifier_accept(file, line, socket, address, length);
    struct place place = at("WSAAccept", file, line);
    return accepted_socket(&place, socket, WSAAccept(socket, address, length, condition, data));
}

int verifier_connect(VERIFIER_AT, SOCKET socket, const struct sockaddr *address, int length)
{
    struct place place = at("connect", file, line);
    struct call_inside call;

    take_lock();
    use_socket(&place, socket);
    enter_call(&call, &place, socket, false, false);
    release_lock();
    int result = connect(socket, address, length);
    end_call(&call);
    return result;
}

/* Fails a call that would fail on Windows. */
static int failed_call(int error)
{
    release_lock();
    WSASetLastError(error);
    return SOCKET_ERROR;
}

/* ---- bytes --------------------------------------------------------------------------------- */

static bool is_negative(const struct place *place, int length)
{
    if (length >= 0)
        return false;
    broken_now(RULE_LENGTH, place,
               "is given a negative length: was the result of the previous call checked?", NULL);
    WSASetLastError(WSAEFAULT);
    return true;
}

/* The connection of one client in six is slow at first: every second send is refused, and the
 * others take little. */
static bool is_slow(const struct socket_record *record, unsigned nth)
{
    enum { SLOW_SENDS = 400 };
    return record->is_stream && nth < SLOW_SENDS && chance(REFUSALS, record->number, 1u << 31, 6);
}

static int send_bytes(const struct place *place, SOCKET socket, const char *bytes, int length,
                      int flags)
{
    enum { SLOW_PIECE = 4096 };
    struct call_inside call;

    if (is_negative(place, length))
        return SOCKET_ERROR;
    take_lock();
    struct socket_record *record = use_socket(place, socket);
    if (is_beyond_memory(place, bytes, (size_t)length))
        return failed_call(WSAEFAULT);
    check_blocking(place, record);
    if (record != NULL && record->non_blocking) {
        unsigned nth = record->sends++;
        bool slow = is_slow(record, nth);
        if (slow ? nth % 2 == 1 : chance(REFUSALS, record->number, nth, 4)) {
            if (record->mask & FD_WRITE)
                give_later(record, FD_WRITE, draw(REFUSALS, record->number, nth + 1) % 8);
            release_lock();
            WSASetLastError(WSAEWOULDBLOCK);
            return SOCKET_ERROR;
        }
        if (slow && length > SLOW_PIECE)
            length = SLOW_PIECE;
        if (length > 1 && record->is_stream && chance(REFUSALS, record->number, ~nth, 4))
            length = 1 + (int)(draw(REFUSALS, record->number, nth + 2) % (unsigned)length);
    }
    enter_call(&call, place, socket, false, record != NULL && record->is_stream);
    release_lock();
    int result = send(socket, bytes, length, flags);
    end_call(&call);
    return result;
}

int verifier_send(VERIFIER_AT, SOCKET socket, const char *bytes, int length, int flags)
{
    struct place place = at("send", file, line);
    return send_bytes(&place, socket, bytes, length, flags);
}

/* Under Wine a reset looks like an orderly end, but the socket is no longer connected. (That would
 * also be the case after both sides have ended.) */
static bool looks_reset(const struct socket_record *record)
{
    struct sockaddr_storage address;
    int length = sizeof address;

    return !record->shut_down && under_wine &&
           getpeername(record->socket, (struct sockaddr *)&address, &length) == SOCKET_ERROR;
}

/* Whether bytes, or an end, were read ahead: see events.h. */
static bool is_ahead(const struct socket_record *record)
{
    return record != NULL && (record->end_seen || record->ahead_size > record->ahead_taken);
}

/* Defined in events.h: gives what was read ahead. False: there is nothing. */
static bool receive_from_ahead(struct socket_record *record, char *bytes, int length, int flags,
                               int *result);

/* A part of this many bytes: as often a few as half of them, so that short messages also come in
 * pieces. */
static int piece_of(const struct socket_record *record, unsigned nth, int length)
{
    unsigned most = 1u << draw(PIECES, record->number, ~nth) % 18;
    return 1 + (int)(draw(PIECES, record->number, nth) %
                     (most < (unsigned)length ? most : (unsigned)length));
}

/* Whether a receive with these flags may give fewer bytes than have arrived. */
static bool may_be_cut(const struct socket_record *record, int flags)
{
    return record->is_stream && !(flags & (MSG_PEEK | MSG_WAITALL | MSG_OOB));
}

static int receive_bytes(const struct place *place, SOCKET socket, char *bytes, int length,
                         int flags)
{
    struct call_inside call;
    int result;

    if (is_negative(place, length))
        return SOCKET_ERROR;
    take_lock();
    struct socket_record *record = use_socket(place, socket);
    if (is_beyond_memory(place, bytes, (size_t)length))
        return failed_call(WSAEFAULT);
    check_blocking(place, record);
    if (record != NULL && length > 1 && may_be_cut(record, flags) &&
        chance(PIECES, record->number, record->receives++, 3))
        length = piece_of(record, record->receives, length);
    int taken = 0; /* with MSG_WAITALL: of those that were read ahead */
    if (record != NULL && receive_from_ahead(record, bytes, length, flags, &result)) {
        if (!(flags & MSG_WAITALL) || result <= 0 || result == length || record->end_seen) {
            release_lock();
            return result;
        }
        taken = result;
    }
    enter_call(&call, place, socket, record != NULL && record->is_stream && !(flags & MSG_PEEK),
               false);
    release_lock();
    result = recv(socket, bytes + taken, length - taken, flags);
    result = result == SOCKET_ERROR ? result : taken + result;
    int error = WSAGetLastError();
    take_lock();
    leave_call(&call);
    if (result > 0 && record != NULL && record->mask & FD_READ &&
        chance(EMPTY_READ, record->number, record->receives, 4))
        give_later(record, FD_READ, 2);
    release_lock();
    WSASetLastError(error);
    return result;
}

int verifier_recv(VERIFIER_AT, SOCKET socket, char *bytes, int length, int flags)
{
    struct place place = at("recv", file, line);
    return receive_bytes(&place, socket, bytes, length, flags);
}

/* Whether the socket is of a stream, for which sendto is send, and recvfrom is recv. */
static bool is_stream(SOCKET socket)
{
    take_lock();
    const struct socket_record *record = find_socket(socket);
    bool result = record != NULL ? record->is_stream : type_of(socket) == SOCK_STREAM;
    release_lock();
    return result;
}

/* A call with a datagram begins. False: it fails; the error is set. */
static bool begin_datagram(struct call_inside *call, const struct place *place, SOCKET socket,
                           const char *bytes, int length)
{
    if (is_negative(place, length))
        return false;
    take_lock();
    const struct socket_record *record = use_socket(place, socket);
    if (is_beyond_memory(place, bytes, (size_t)length))
        return failed_call(WSAEFAULT) == 0;
    check_blocking(place, record);
    enter_call(call, place, socket, false, false);
    release_lock();
    return true;
}

int verifier_sendto(VERIFIER_AT, SOCKET socket, const char *bytes, int length, int flags,
                    const struct sockaddr *to, int to_length)
{
    struct place place = at("sendto", file, line);
    struct call_inside call;

    if (is_stream(socket))
        return send_bytes(&place, socket, bytes, length, flags);
    if (!begin_datagram(&call, &place, socket, bytes, length))
        return SOCKET_ERROR;
    int result = sendto(socket, bytes, length, flags, to, to_length);
    end_call(&call);
    return result;
}

int verifier_recvfrom(VERIFIER_AT, SOCKET socket, char *bytes, int length, int flags,
                      struct sockaddr *from, int *from_length)
{
    struct place place = at("recvfrom", file, line);
    struct call_inside call;

    if (is_stream(socket))
        return receive_bytes(&place, socket, bytes, length, flags);
    if (!begin_datagram(&call, &place, socket, bytes, length))
        return SOCKET_ERROR;
    int result = recvfrom(socket, bytes, length, flags, from, from_length);
    end_call(&call);
    return result;
}

/* ---- the rest ------------------------------------------------------------------------------ */

int verifier_shutdown(VERIFIER_AT, SOCKET socket, int how)
{
    struct place place = at("shutdown", file, line);
    take_lock();
    if (lacks_context(&place, use_socket(&place, socket)))
        return failed_call(WSAENOTCONN);
    struct socket_record *record = find_socket(socket);
    if (record != NULL)
        record->shut_down = true;
    release_lock();
    return shutdown(socket, how);
}

int verifier_getpeername(VERIFIER_AT, SOCKET socket, struct sockaddr *address, int *length)
{
    struct place place = at("getpeername", file, line);
    take_lock();
    if (lacks_context(&place, use_socket(&place, socket)))
        return failed_call(WSAENOTCONN);
    release_lock();
    return getpeername(socket, address, length);
}

int verifier_getsockname(VERIFIER_AT, SOCKET socket, struct sockaddr *address, int *length)
{
    struct place place = at("getsockname", file, line);
    take_lock();
    const struct socket_record *record = use_socket(&place, socket);
    if (record != NULL && record->needs_accept_context && lacks_context(&place, record))
        return failed_call(WSAENOTCONN);
    release_lock();
    return getsockname(socket, address, length);
}

int verifier_setsockopt(VERIFIER_AT, SOCKET socket, int level, int option, const char *value,
                        int length)
{
    struct place place = at("setsockopt", file, line);
    bool updates = level == SOL_SOCKET &&
                   (option == SO_UPDATE_ACCEPT_CONTEXT || option == SO_UPDATE_CONNECT_CONTEXT);
    static const BOOL off = FALSE;
    bool is_exclusive = false;

    take_lock();
    struct socket_record *record = use_socket(&place, socket);
    if (!updates && lacks_context(&place, record))
        return failed_call(WSAENOTCONN);
    if (record != NULL && level == SOL_SOCKET && option == (int)SO_EXCLUSIVEADDRUSE) {
        if (record->bound)
            broken(RULE_EXCLUSIVE, &place, "sets SO_EXCLUSIVEADDRUSE after bind, which is too late",
                   NULL);
        is_exclusive =
            !record->bound && length >= (int)sizeof off && memcmp(value, &off, sizeof off) != 0;
    }
    release_lock();
    int result = setsockopt(socket, level, option, value, length);
    if (result == 0 && is_exclusive)
        record->exclusive = true;
    if (result == 0 && record != NULL && updates) {
        record->needs_accept_context = false;
        record->needs_connect_context = false;
    }
    return result;
}

int verifier_getsockopt(VERIFIER_AT, SOCKET socket, int level, int option, char *value, int *length)
{
    struct place place = at("getsockopt", file, line);
    bool asks_for_time = level == SOL_SOCKET && option == SO_CONNECT_TIME; /* allowed at any time */
    take_lock();
    const struct socket_record *record = use_socket(&place, socket);
    if (!asks_for_time && lacks_context(&place, record))
        return failed_call(WSAENOTCONN);
    release_lock();
    return getsockopt(socket, level, option, value, length);
}

int verifier_ioctlsocket(VERIFIER_AT, SOCKET socket, long command, u_long *argument)
{
    struct place place = at("ioctlsocket", file, line);
    take_lock();
    struct socket_record *record = use_socket(&place, socket);
    release_lock();
    int result = ioctlsocket(socket, command, argument);
    if (result == 0 && record != NULL && command == (long)FIONBIO)
        record->non_blocking = *argument != 0;
    if (result == 0 && record != NULL && command == (long)FIONREAD)
        *argument += (u_long)(record->ahead_size - record->ahead_taken);
    return result;
}

static void check_set(const struct place *place, const fd_set *set)
{
    for (u_int i = 0; set != NULL && i < set->fd_count; i++)
        use_socket(place, set->fd_array[i]);
}

/* If bytes of some of the sockets were read ahead, keeps only these. */
static bool keep_those_ahead(fd_set *set)
{
    u_int count = 0;

    for (u_int i = 0; set != NULL && i < set->fd_count; i++) {
        if (is_ahead(find_socket(set->fd_array[i])))
            set->fd_array[count++] = set->fd_array[i];
    }
    if (count > 0)
        set->fd_count = count;
    return count > 0;
}

int verifier_select(VERIFIER_AT, int ignored, fd_set *readable, fd_set *writable, fd_set *others,
                    const struct timeval *timeout)
{
    struct place place = at("select", file, line);
    take_lock();
    check_set(&place, readable);
    check_set(&place, writable);
    check_set(&place, others);
    bool any = keep_those_ahead(readable);
    release_lock();
    if (any) {
        if (writable != NULL)
            writable->fd_count = 0;
        if (others != NULL)
            others->fd_count = 0;
        return (int)readable->fd_count;
    }
    return select(ignored, readable, writable, others, (struct timeval *)timeout);
}

int verifier_WSAPoll(VERIFIER_AT, WSAPOLLFD *polled, ULONG count, int timeout)
{
    struct place place = at("WSAPoll", file, line);
    int ready = 0;

    take_lock();
    for (ULONG i = 0; polled != NULL && i < count; i++) {
        const struct socket_record *record = NULL;
        if ((INT_PTR)polled[i].fd >= 0) /* a negative one is ignored */
            record = use_socket(&place, polled[i].fd);
        bool is_ready = is_ahead(record) && polled[i].events & POLLRDNORM;
        polled[i].revents = is_ready ? POLLRDNORM : 0;
        ready += is_ready;
    }
    release_lock();
    return ready > 0 ? ready : WSAPoll(polled, count, timeout);
}
