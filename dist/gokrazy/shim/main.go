// restic-rest-server on gokrazy: every program there is a Go program, so this one makes way for the real
// one, which lies beside it in the image. It becomes that program by execve(2), with all arguments and the
// environment; there is no second process.
package main

import (
	"bufio"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
)

// The program of this package's extra files; a test puts another in its place by -ldflags -X.
var program = "/usr/local/bin/restic-rest-server"

// gokrazy starts a service again after any exit code but 0 and this one: only a new image helps here.
const exitForGood = 125

// What Deno needs where the program runs under it: the caches that it writes belong in memory, for /perm is
// an SD card, and there is no newer release to look for. restic-rest-server hands no DENO_* variable on.
var denoDefaults = map[string]string{
	"DENO_DIR":             "/run/restic-rest-server-deno",
	"DENO_NO_UPDATE_CHECK": "1",
	// 2 MB less memory: what was needed only for a moment is given back sooner, and garbage once the start is over.
	"DENO_V8_FLAGS": "--max-semi-space-size=1,--expose-gc",
}

func main() {
	for name, value := range denoDefaults {
		if _, set := os.LookupEnv(name); !set {
			os.Setenv(name, value)
		}
	}
	err := syscall.Exec(program, append([]string{program}, os.Args[1:]...), os.Environ())
	fmt.Fprintf(os.Stderr, "restic-rest-server: error: %s\n", explain(program, err))
	os.Exit(exitForGood)
}

// explain says what is missing: execve(2) gives the same ENOENT for the program, the interpreter of its
// first line and the loader of either.
func explain(path string, err error) string {
	if errors.Is(err, syscall.ENOENT) {
		for needed := path; needed != ""; needed = interpreter(needed) {
			if _, statErr := os.Stat(needed); statErr == nil {
				continue
			}
			what := "it"
			if needed != path {
				what = fmt.Sprintf("%q, which it needs,", needed)
			}
			return fmt.Sprintf("Cannot run %q: %s is not in the image; make the package anew by "+
				"deno task dist, then the image by gok update", path, what)
		}
	}
	if errors.Is(err, syscall.ENOEXEC) {
		return fmt.Sprintf("Cannot run %q: it is no program for this processor; make the package "+
			"by deno task dist --arch for this machine's architecture, then the image by gok update", path)
	}
	return fmt.Sprintf("Cannot run %q: %v", path, err)
}

// interpreter gives the program that the kernel needs to run this one: that of a script's first line, the
// loader of an ELF executable; "" where there is none or the file cannot be read.
func interpreter(path string) string {
	file, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer file.Close()
	line, _ := bufio.NewReader(io.LimitReader(file, 256)).ReadString('\n')
	if words := strings.Fields(strings.TrimPrefix(line, "#!")); strings.HasPrefix(line, "#!") && len(words) > 0 {
		return words[0]
	}
	executable, err := elf.NewFile(file)
	if err != nil {
		return ""
	}
	for _, header := range executable.Progs {
		if header.Type == elf.PT_INTERP {
			loader, _ := io.ReadAll(header.Open())
			return strings.TrimRight(string(loader), "\x00")
		}
	}
	return ""
}
