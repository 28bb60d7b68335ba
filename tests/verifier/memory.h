/*
 * memory.h - malloc and free that notice the use of freed memory. A part of verifier.c.
 *
 * Each block has its own pages, ends at the end of a page, and is above 4 GiB (if addresses reach
 * that far). So a byte behind its end, a byte of a freed block, and an address that has been
 * through a DWORD cannot be accessed. The few bytes that alignment leaves behind a block are
 * checked by free. Freed memory is used for new blocks only when no other memory is left.
 */
enum { PAGE = 4096, ALIGNMENT = 16, BEHIND = 0xFD /* the bytes up to the end of the page */ };

#ifdef _WIN64
#define ARENA_PAGES   ((size_t)8 * 1024 * 1024) /* 32 GiB of addresses */
#define ARENA_ADDRESS ((void *)0x10000000000)
#else
#define ARENA_PAGES   ((size_t)128 * 1024)
#define ARENA_ADDRESS NULL
#endif

struct block {
    size_t first_page, pages; /* without the page behind it, which never exists */
    char *bytes;
    size_t size;
    struct place made, freed;
    bool is_free;
};

/* More at a time come from the C library: each is a mapping of the system, which Linux limits. */
enum { MOST_BLOCKS = 16 * 1024 };

static int live_blocks;

/* The blocks in the order of their addresses; a ring: the oldest are dropped for new ones. */
static char *arena;
static struct block **page_blocks; /* the block that a page belongs to, or belonged to */
static size_t next_page;

static bool overlaps(const void *one, size_t one_size, const void *other, size_t other_size)
{
    return one_size > 0 && other_size > 0 && (const char *)one < (const char *)other + other_size &&
           (const char *)other < (const char *)one + one_size;
}

static void start_memory(void)
{
    arena = VirtualAlloc(ARENA_ADDRESS, ARENA_PAGES * PAGE, MEM_RESERVE, PAGE_NOACCESS);
    if (arena == NULL)
        arena = VirtualAlloc(NULL, ARENA_PAGES * PAGE, MEM_RESERVE, PAGE_NOACCESS);
    page_blocks = VirtualAlloc(NULL, ARENA_PAGES * sizeof *page_blocks, MEM_RESERVE | MEM_COMMIT,
                               PAGE_READWRITE);
    if (arena == NULL || page_blocks == NULL) {
        fprintf(stderr, "verifier: there is not enough memory for the program\n");
        ExitProcess(3);
    }
}

/* The block that holds the address, or held it before it was freed; NULL: none. */
static struct block *block_of(const void *address)
{
    size_t offset = (size_t)((const char *)address - arena);
    return arena == NULL || offset >= ARENA_PAGES * PAGE ? NULL : page_blocks[offset / PAGE];
}

/* Looks for this many pages without a live block, beginning at next_page. */
static bool find_pages(size_t pages)
{
    size_t found = 0;

    for (size_t looked = 0; looked < ARENA_PAGES; looked++, next_page++) {
        if (next_page == ARENA_PAGES) {
            next_page = 0;
            found = 0;
        }
        const struct block *block = page_blocks[next_page];
        found = block == NULL || block->is_free ? found + 1 : 0;
        if (found == pages) {
            next_page -= pages - 1;
            return true;
        }
    }
    return false;
}

static void *new_block(const struct place *place, size_t size)
{
    size_t padded = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    size_t pages = padded == 0 ? 1 : (padded + PAGE - 1) / PAGE;
    void *result = NULL;

    if (size > ARENA_PAGES / 2 * PAGE)
        return NULL;
    struct block *block = own_memory(sizeof *block);
    take_lock();
    if (live_blocks < MOST_BLOCKS && find_pages(pages + 1)) {
        char *begin = arena + next_page * PAGE;
        if (VirtualAlloc(begin, pages * PAGE, MEM_COMMIT, PAGE_READWRITE) != NULL) {
            live_blocks++;
            block->first_page = next_page;
            block->pages = pages;
            block->size = size;
            block->bytes = begin + pages * PAGE - padded;
            block->made = *place;
            memset(block->bytes + size, BEHIND, padded - size);
            for (size_t i = 0; i <= pages; i++)
                page_blocks[next_page + i] = block;
            next_page += pages + 1;
            result = block->bytes;
        }
    }
    release_lock();
    return result;
}

/* Defined in operations.h. */
static void memory_goes(const struct place *place, const void *memory, size_t size);

/* Whether something was written between the block's end and that of its page. */
static bool is_written_behind(const struct block *block)
{
    const char *end = arena + (block->first_page + block->pages) * PAGE;
    for (const char *c = block->bytes + block->size; c < end; c++) {
        if ((unsigned char)*c != BEHIND)
            return true;
    }
    return false;
}

static void drop_block(const struct place *place, struct block *block)
{
    if (is_written_behind(block))
        broken(RULE_MEMORY, place, "finds bytes written beyond the end of the block from",
               &block->made);
    memory_goes(place, block->bytes, block->size);
    VirtualFree(arena + block->first_page * PAGE, block->pages * PAGE, MEM_DECOMMIT);
    live_blocks--;
    block->is_free = true;
    block->freed = *place;
}

/* Checks whether a call is given memory that is shorter than its length, or was freed. Call it with
 * the lock. */
static bool is_beyond_memory(const struct place *place, const void *bytes, size_t size)
{
    const struct block *block = size == 0 ? NULL : block_of(bytes);

    if (block == NULL)
        return false;
    if (block->is_free)
        broken(RULE_MEMORY, place, "is given memory that was freed by", &block->freed);
    else if ((const char *)bytes + size > block->bytes + block->size)
        broken(RULE_MEMORY, place, "is given a length that goes beyond the end of the block from",
               &block->made);
    else
        return false;
    WSASetLastError(WSAEFAULT);
    return true;
}

/* Another thread may hold the lock for a moment. If this thread crashed while it holds the lock,
 * there is nothing to wait for: false. */
static bool take_lock_soon(void)
{
    for (int tries = 0; tries < 1000; tries++) {
        if (TryAcquireSRWLockExclusive(&lock))
            return true;
        Sleep(1);
    }
    return false;
}

/* An access to an address without memory: did it belong to a block? The program crashes anyway. */
static LONG CALLBACK explain_crash(EXCEPTION_POINTERS *exception)
{
    const EXCEPTION_RECORD *record = exception->ExceptionRecord;
    char text[200];

    if (record->ExceptionCode != EXCEPTION_ACCESS_VIOLATION || record->NumberParameters < 2)
        return EXCEPTION_CONTINUE_SEARCH;
    const char *address = (const char *)record->ExceptionInformation[1]; /* NOLINT */
    const struct block *block = block_of(address);
    struct place place = near_last("memory");
    if (block != NULL && take_lock_soon()) {
        snprintf(text, sizeof text, "is used %s",
                 block->is_free ? "after it was freed by" : "beyond the end of the block from");
        broken(RULE_MEMORY, &place, text, block->is_free ? &block->freed : &block->made);
        release_lock();
    }
    return EXCEPTION_CONTINUE_SEARCH;
}

void *verifier_malloc(VERIFIER_AT, size_t size)
{
    struct place place = at("malloc", file, line);
    void *memory = new_block(&place, size);
    if (memory == NULL) /* there are more blocks than can be watched */
        memory = malloc(size);
    if (memory != NULL)
        memset(memory, 0xCD, size); /* what malloc gives is not zero */
    return memory;
}

void *verifier_calloc(VERIFIER_AT, size_t count, size_t size)
{
    struct place place = at("calloc", file, line);
    if (size != 0 && count > (size_t)-1 / size)
        return NULL;
    void *memory = new_block(&place, count * size);
    return memory != NULL ? memory : calloc(count, size);
}

void verifier_free(VERIFIER_AT, void *memory)
{
    struct place place = at("free", file, line);
    struct block *block = block_of(memory);

    if (block == NULL) { /* NULL, or made by a function of the C library */
        free(memory);
        return;
    }
    take_lock();
    if (block->is_free)
        broken(RULE_MEMORY, &place, "frees memory that was already freed by", &block->freed);
    else if (block->bytes != memory)
        broken(RULE_MEMORY, &place, "is given an address inside the block from", &block->made);
    else
        drop_block(&place, block);
    release_lock();
}

void *verifier_realloc(VERIFIER_AT, void *memory, size_t size)
{
    struct place place = at("realloc", file, line);
    struct block *block = block_of(memory);

    if (memory != NULL && block == NULL)
        return realloc(memory, size);
    if (memory != NULL && size == 0) { /* as Microsoft's does */
        verifier_free(file, line, memory);
        return NULL;
    }
    void *moved = verifier_malloc(file, line, size);
    if (moved == NULL || memory == NULL)
        return moved;
    take_lock();
    if (block->is_free) {
        broken(RULE_MEMORY, &place, "is given memory that was freed by", &block->freed);
    } else {
        memcpy(moved, memory, size < block->size ? size : block->size);
        drop_block(&place, block);
    }
    release_lock();
    return moved;
}

char *verifier_strdup(VERIFIER_AT, const char *text)
{
    struct place place = at("strdup", file, line);
    size_t size = strlen(text) + 1;
    char *copy = new_block(&place, size);
    if (copy == NULL)
        copy = malloc(size);
    return copy == NULL ? NULL : memcpy(copy, text, size);
}
