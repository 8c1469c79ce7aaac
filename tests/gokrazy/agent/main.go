// The agent runs shell scripts inside the guest for the tests: a POST's body is given to busybox's ash, and
// the answer is what it printed. It is part of test images only, and reached only by the port that QEMU
// forwards from the loopback of the host.
package main

import (
	"context"
	"io"
	"log"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const busybox = "/usr/local/bin/busybox"

func run(w http.ResponseWriter, r *http.Request) {
	script, err := io.ReadAll(r.Body)
	if err != nil || r.Method != http.MethodPost {
		http.Error(w, "POST a script", http.StatusBadRequest)
		return
	}
	// The client's end of patience ends the script, and with it all that it started.
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	cmd := exec.CommandContext(ctx, busybox, "ash")
	cmd.Stdin = strings.NewReader(string(script))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	output, err := cmd.CombinedOutput()
	code := 0
	if err != nil {
		code = cmd.ProcessState.ExitCode()
		if cmd.ProcessState == nil || code == 0 {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
	}
	w.Header().Set("X-Exit-Code", strconv.Itoa(code))
	w.Write(output)
}

func main() {
	http.HandleFunc("/", run)
	log.Fatal(http.ListenAndServe(":8099", nil))
}
