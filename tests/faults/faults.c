/* A disk that fails: laid under a process with LD_PRELOAD, it refuses what a failing disk refuses, below one folder.
 *
 * FAULTS_FOLDER names the folder, FAULTS_FLAG a file. While that file holds "sync", every fsync and fdatasync of a file
 * below the folder ends in EIO. While it holds "full", nothing there may grow (ENOSPC) and statvfs tells of no free block;
 * what is allocated already may be written, as on a real full disk. Without the file nothing is changed.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int below(const char *path) {
    const char *folder = getenv("FAULTS_FOLDER");
    return folder && strncmp(path, folder, strlen(folder)) == 0;
}

/* Read by system calls of its own: the functions below would come back here. */
static int flagged(const char *word) {
    const char *flag = getenv("FAULTS_FLAG");
    char said[16] = "";
    int file;
    if (!flag || (file = (int)syscall(SYS_openat, AT_FDCWD, flag, O_RDONLY | O_CLOEXEC)) < 0)
        return 0;
    long got = syscall(SYS_read, file, said, sizeof said - 1);
    syscall(SYS_close, file);
    return got > 0 && strncmp(said, word, strlen(word)) == 0;
}

static int ours(int file) {
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0)
        return 0;
    path[length] = 0;
    return below(path);
}

static int fails(int file, const char *word, int code) {
    int before = errno;
    if (flagged(word) && ours(file)) {
        errno = code;
        return 1;
    }
    errno = before;
    return 0;
}

/* Whether octets up to `end` would need room that the file has not got. */
static int grows(int file, off_t end) {
    struct stat status;
    return fstat(file, &status) == 0 && S_ISREG(status.st_mode) && end > status.st_size && fails(file, "full", ENOSPC);
}

static off_t total(const struct iovec *parts, int count) {
    off_t sum = 0;
    for (int i = 0; i < count; i++)
        sum += (off_t)parts[i].iov_len;
    return sum;
}

static off_t here(int file) {
    struct stat status;
    int flags = fcntl(file, F_GETFL);
    if (flags >= 0 && (flags & O_APPEND) && fstat(file, &status) == 0)
        return status.st_size;
    off_t at = lseek(file, 0, SEEK_CUR);
    return at < 0 ? 0 : at;
}

int fsync(int file) { return fails(file, "sync", EIO) ? -1 : REAL(fsync)(file); }
int fdatasync(int file) { return fails(file, "sync", EIO) ? -1 : REAL(fdatasync)(file); }

ssize_t write(int file, const void *data, size_t size) {
    return grows(file, here(file) + (off_t)size) ? -1 : REAL(write)(file, data, size);
}
ssize_t writev(int file, const struct iovec *parts, int count) {
    return grows(file, here(file) + total(parts, count)) ? -1 : REAL(writev)(file, parts, count);
}
ssize_t pwrite(int file, const void *data, size_t size, off_t at) {
    return grows(file, at + (off_t)size) ? -1 : REAL(pwrite)(file, data, size, at);
}
ssize_t pwrite64(int file, const void *data, size_t size, off64_t at) {
    return grows(file, at + (off_t)size) ? -1 : REAL(pwrite64)(file, data, size, at);
}
ssize_t pwritev(int file, const struct iovec *parts, int count, off_t at) {
    return grows(file, at + total(parts, count)) ? -1 : REAL(pwritev)(file, parts, count, at);
}
ssize_t pwritev64(int file, const struct iovec *parts, int count, off64_t at) {
    return grows(file, at + total(parts, count)) ? -1 : REAL(pwritev64)(file, parts, count, at);
}
int posix_fallocate(int file, off_t at, off_t size) {
    return grows(file, at + size) ? ENOSPC : REAL(posix_fallocate)(file, at, size);
}
int posix_fallocate64(int file, off64_t at, off64_t size) {
    return grows(file, at + size) ? ENOSPC : REAL(posix_fallocate64)(file, at, size);
}
int fallocate(int file, int mode, off_t at, off_t size) {
    return grows(file, at + size) ? -1 : REAL(fallocate)(file, mode, at, size);
}
int fallocate64(int file, int mode, off64_t at, off64_t size) {
    return grows(file, at + size) ? -1 : REAL(fallocate64)(file, mode, at, size);
}

int statvfs(const char *path, struct statvfs *room) {
    int done = REAL(statvfs)(path, room);
    if (done == 0 && flagged("full") && below(path))
        room->f_bfree = room->f_bavail = 0;
    return done;
}
int statvfs64(const char *path, struct statvfs64 *room) {
    int done = REAL(statvfs64)(path, room);
    if (done == 0 && flagged("full") && below(path))
        room->f_bfree = room->f_bavail = 0;
    return done;
}
