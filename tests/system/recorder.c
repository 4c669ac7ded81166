/*
 * Writes down, in their order, all calls of a process that change files below a folder, and all
 * that bring such changes to the disk. Loaded with LD_PRELOAD; recorder.py reads what it writes.
 *
 *     RECORD_BELOW   the folder
 *     RECORD_TO      the file to add records to
 *     RECORD_KILL_AT the process kills itself instead of making its so-manieth such call
 *
 * One lock is held around each call and its record: the order is the one in which it happened.
 * What is written through a mapping is missed: of SQLite that is the index of its log, which it
 * makes anew.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum kind { CREATE = 1, WRITE, TRUNCATE, LINK, RENAME, REMOVE, SYNC, SYNC_ALL, ATTRIBUTES };

struct record {
    uint32_t size, kind;
    uint64_t time_ns, inode, folder, other_folder;
    int64_t offset, mtime_ns;
    uint32_t mode, name_size, other_name_size, data_size;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char below[PATH_MAX];
static size_t below_size;
static int log_fd = -1;
static long kill_at, calls;

#define REAL(name) ((__typeof__(&name))real(#name))
static void *real(const char *name) { return dlsym(RTLD_NEXT, name); }

static void forked(void) {
    pthread_mutex_init(&lock, NULL);
    kill_at = 0;
}

__attribute__((constructor)) static void begin(void) {
    const char *folder = getenv("RECORD_BELOW"), *file = getenv("RECORD_TO");
    if (!folder || !file)
        return;
    below_size = strlen(strncpy(below, folder, sizeof below - 1));
    log_fd = REAL(open)(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (getenv("RECORD_KILL_AT"))
        kill_at = atol(getenv("RECORD_KILL_AT"));
    unsetenv("RECORD_KILL_AT"); /* not for its children */
    pthread_atfork(NULL, NULL, forked);
}

/* Where a call acts: the path, and the inode of the folder that the name is in. */
struct place {
    char path[PATH_MAX];
    const char *name;
    uint64_t folder;
};

static int is_below(const char *path) {
    return !strncmp(path, below, below_size) && (path[below_size] == '/' || !path[below_size]);
}

static int of_descriptor(int fd, char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, PATH_MAX - 1);
    path[size < 0 ? 0 : size] = 0;
    return size > 0 && is_below(path);
}

static int find(struct place *place, int dir_fd, const char *name) {
    char above[PATH_MAX] = "";
    if (log_fd < 0)
        return 0;
    if (name[0] != '/') {
        if (dir_fd == AT_FDCWD ? !getcwd(above, sizeof above) : !of_descriptor(dir_fd, above))
            return 0;
        strncat(above, "/", sizeof above - strlen(above) - 1);
    }
    if (snprintf(place->path, PATH_MAX, "%s%s", above, name) >= PATH_MAX)
        return 0;
    size_t size = strlen(place->path);
    while (size > 1 && place->path[size - 1] == '/')
        place->path[--size] = 0;
    char *cut = strrchr(place->path, '/');
    if (!cut || !is_below(place->path))
        return 0;
    struct stat found;
    *cut = 0;
    int missing = stat(place->path, &found);
    *cut = '/';
    place->name = cut + 1;
    place->folder = found.st_ino;
    return !missing;
}

static void enter(void) {
    pthread_mutex_lock(&lock);
    if (kill_at && ++calls == kill_at)
        kill(getpid(), SIGKILL);
}

static void leave(void) {
    int number = errno;
    pthread_mutex_unlock(&lock);
    errno = number;
}

static void put(struct record record, const char *name, const char *other, const void *data) {
    int number = errno;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    record.time_ns = now.tv_sec * 1000000000ull + now.tv_nsec;
    record.name_size = name ? strlen(name) : 0;
    record.other_name_size = other ? strlen(other) : 0;
    record.size =
        sizeof record + record.name_size + record.other_name_size + record.data_size;
    struct iovec parts[] = {
        {&record, sizeof record},
        {(void *)name, record.name_size},
        {(void *)other, record.other_name_size},
        {(void *)data, record.data_size},
    };
    if (REAL(writev)(log_fd, parts, 4) != (ssize_t)record.size)
        abort(); /* a record with a hole proves nothing */
    errno = number;
}

static void note_file(enum kind kind, int fd, int64_t offset, const void *data, size_t size) {
    struct stat found;
    if (fstat(fd, &found))
        return;
    struct record record = {
        .kind = kind,
        .inode = found.st_ino,
        .offset = offset,
        .mtime_ns = found.st_mtim.tv_sec * 1000000000ll + found.st_mtim.tv_nsec,
        .mode = found.st_mode,
        .data_size = size,
    };
    put(record, NULL, NULL, data);
}

static void note_name(enum kind kind, struct place *place, int64_t is_made) {
    struct stat found = {0};
    lstat(place->path, &found);
    struct record record = {
        .kind = kind,
        .inode = found.st_ino,
        .folder = place->folder,
        .offset = is_made,
        .mtime_ns = found.st_mtim.tv_sec * 1000000000ll + found.st_mtim.tv_nsec,
        .mode = found.st_mode,
    };
    put(record, place->name, NULL, NULL);
}

static int is_watched(int fd) {
    char path[PATH_MAX];
    return log_fd >= 0 && fd != log_fd && of_descriptor(fd, path);
}

/* Names. */

static int opened(int dir_fd, const char *name, int flags, mode_t mode) {
    struct place place;
    if (!(flags & (O_CREAT | O_TRUNC)) || !find(&place, dir_fd, name))
        return REAL(openat)(dir_fd, name, flags, mode);
    enter();
    int is_there = !access(place.path, F_OK);
    int fd = REAL(openat)(dir_fd, name, flags, mode);
    if (fd >= 0 && !is_there)
        note_name(CREATE, &place, 0);
    else if (fd >= 0 && (flags & O_TRUNC))
        note_file(TRUNCATE, fd, 0, NULL, 0);
    leave();
    return fd;
}

#define MODE(flags, last)                                                                         \
    mode_t mode = 0;                                                                              \
    if ((flags) & (O_CREAT | O_TMPFILE)) {                                                        \
        va_list more;                                                                             \
        va_start(more, last);                                                                     \
        mode = va_arg(more, mode_t);                                                              \
        va_end(more);                                                                             \
    }

int open(const char *name, int flags, ...) {
    MODE(flags, flags)
    return opened(AT_FDCWD, name, flags, mode);
}
int open64(const char *name, int flags, ...) {
    MODE(flags, flags)
    return opened(AT_FDCWD, name, flags, mode);
}
int openat(int dir_fd, const char *name, int flags, ...) {
    MODE(flags, flags)
    return opened(dir_fd, name, flags, mode);
}
int openat64(int dir_fd, const char *name, int flags, ...) {
    MODE(flags, flags)
    return opened(dir_fd, name, flags, mode);
}

int mkdirat(int dir_fd, const char *name, mode_t mode) {
    struct place place;
    if (!find(&place, dir_fd, name))
        return REAL(mkdirat)(dir_fd, name, mode);
    enter();
    int failed = REAL(mkdirat)(dir_fd, name, mode);
    if (!failed)
        note_name(CREATE, &place, 0);
    leave();
    return failed;
}
int mkdir(const char *name, mode_t mode) { return mkdirat(AT_FDCWD, name, mode); }

static int renamed(int one_fd, const char *one, int other_fd, const char *other, unsigned flags) {
    struct place from, to;
    if (!find(&from, one_fd, one) || !find(&to, other_fd, other))
        return REAL(renameat2)(one_fd, one, other_fd, other, flags);
    enter();
    int failed = REAL(renameat2)(one_fd, one, other_fd, other, flags);
    if (!failed) {
        struct record record = {
            .kind = RENAME,
            .folder = from.folder,
            .other_folder = to.folder,
            .offset = flags,
        };
        put(record, from.name, to.name, NULL);
    }
    leave();
    return failed;
}
int renameat2(int one_fd, const char *one, int other_fd, const char *other, unsigned flags) {
    return renamed(one_fd, one, other_fd, other, flags);
}
int renameat(int one_fd, const char *one, int other_fd, const char *other) {
    return renamed(one_fd, one, other_fd, other, 0);
}
int rename(const char *one, const char *other) {
    return renamed(AT_FDCWD, one, AT_FDCWD, other, 0);
}

int linkat(int one_fd, const char *one, int other_fd, const char *other, int flags) {
    struct place to;
    if (!find(&to, other_fd, other))
        return REAL(linkat)(one_fd, one, other_fd, other, flags);
    enter();
    int failed = REAL(linkat)(one_fd, one, other_fd, other, flags);
    if (!failed)
        note_name(LINK, &to, 0);
    leave();
    return failed;
}
int link(const char *one, const char *other) {
    return linkat(AT_FDCWD, one, AT_FDCWD, other, 0);
}

int unlinkat(int dir_fd, const char *name, int flags) {
    struct place place;
    if (!find(&place, dir_fd, name))
        return REAL(unlinkat)(dir_fd, name, flags);
    enter();
    int failed = REAL(unlinkat)(dir_fd, name, flags);
    if (!failed)
        note_name(REMOVE, &place, 0);
    leave();
    return failed;
}
int unlink(const char *name) { return unlinkat(AT_FDCWD, name, 0); }
int rmdir(const char *name) { return unlinkat(AT_FDCWD, name, AT_REMOVEDIR); }

/* Contents. */

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset) {
    if (!is_watched(fd))
        return REAL(pwrite64)(fd, data, size, offset);
    enter();
    ssize_t written = REAL(pwrite64)(fd, data, size, offset);
    if (written > 0)
        note_file(WRITE, fd, offset, data, written);
    leave();
    return written;
}
ssize_t pwrite(int fd, const void *data, size_t size, off_t offset) {
    return pwrite64(fd, data, size, offset);
}

ssize_t write(int fd, const void *data, size_t size) {
    if (!is_watched(fd))
        return REAL(write)(fd, data, size);
    enter();
    ssize_t written = REAL(write)(fd, data, size);
    if (written > 0)
        note_file(WRITE, fd, lseek(fd, 0, SEEK_CUR) - written, data, written);
    leave();
    return written;
}

int ftruncate64(int fd, off64_t size) {
    if (!is_watched(fd))
        return REAL(ftruncate64)(fd, size);
    enter();
    int failed = REAL(ftruncate64)(fd, size);
    if (!failed)
        note_file(TRUNCATE, fd, size, NULL, 0);
    leave();
    return failed;
}
int ftruncate(int fd, off_t size) { return ftruncate64(fd, size); }

/* What a watched file is never to be changed by: it would not be written down. */
#define NEVER(type, name, takes, gives, fd)                                                       \
    type name takes {                                                                             \
        if (is_watched(fd))                                                                       \
            abort();                                                                              \
        return REAL(name) gives;                                                                  \
    }
NEVER(ssize_t, writev, (int fd, const struct iovec *parts, int count), (fd, parts, count), fd)
NEVER(ssize_t, pwritev, (int fd, const struct iovec *parts, int count, off_t at),
      (fd, parts, count, at), fd)
NEVER(ssize_t, sendfile, (int to, int from, off_t *at, size_t size), (to, from, at, size), to)
NEVER(ssize_t, sendfile64, (int to, int from, off64_t *at, size_t size), (to, from, at, size), to)
NEVER(ssize_t, copy_file_range,
      (int from, off64_t *at, int to, off64_t *to_at, size_t size, unsigned flags),
      (from, at, to, to_at, size, flags), to)
NEVER(int, fallocate64, (int fd, int mode, off64_t at, off64_t size), (fd, mode, at, size), fd)
NEVER(int, posix_fallocate64, (int fd, off64_t at, off64_t size), (fd, at, size), fd)

int futimens(int fd, const struct timespec times[2]) {
    if (!is_watched(fd))
        return REAL(futimens)(fd, times);
    enter();
    int failed = REAL(futimens)(fd, times);
    if (!failed)
        note_file(ATTRIBUTES, fd, 0, NULL, 0);
    leave();
    return failed;
}
int fchmod(int fd, mode_t mode) {
    if (!is_watched(fd))
        return REAL(fchmod)(fd, mode);
    enter();
    int failed = REAL(fchmod)(fd, mode);
    if (!failed)
        note_file(ATTRIBUTES, fd, 0, NULL, 0);
    leave();
    return failed;
}

/* What brings changes to the disk. */

int fsync(int fd) {
    if (!is_watched(fd))
        return REAL(fsync)(fd);
    enter();
    int failed = REAL(fsync)(fd);
    if (!failed)
        note_file(SYNC, fd, 0, NULL, 0);
    leave();
    return failed;
}
int fdatasync(int fd) {
    if (!is_watched(fd))
        return REAL(fdatasync)(fd);
    enter();
    int failed = REAL(fdatasync)(fd);
    if (!failed)
        note_file(SYNC, fd, 0, NULL, 0);
    leave();
    return failed;
}
int syncfs(int fd) {
    if (!is_watched(fd))
        return REAL(syncfs)(fd);
    enter();
    int failed = REAL(syncfs)(fd);
    if (!failed)
        note_file(SYNC_ALL, fd, 0, NULL, 0);
    leave();
    return failed;
}
