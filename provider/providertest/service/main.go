// Service is what the machines of the provider tests run. It serves HTTP on $PORT and does what it is asked:
//
//	GET /healthz              200, or 500 after /sick
//	GET /sick                 makes it unhealthy
//	GET /exit?status=3        ends it
//	GET /eat?mib=100          takes memory
//	GET /print?text=hello     prints a line to /dev/stdout
//	GET /env?name=A           the value of an environment variable
//	GET /whoami               "uid gid", its working directory, its process number
//
// With $STUBBORN it does not end on SIGTERM. With $FAIL it ends at once, with that status. With one of its flags it is a
// command that is run beside the service.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

func main() {
	say := flag.String("say", "", "print this")
	repeat := flag.Int("repeat", 1, "so often")
	exit := flag.Int("exit", 0, "end with this status")
	hang := flag.Bool("hang", false, "never end")
	whoami := flag.Bool("whoami", false, "print user and group")
	env := flag.String("env", "", "print the value of this environment variable")
	show := flag.String("show", "", "print the content of this file, \"-\" for the input")
	daemon := flag.Bool("daemon", false, "leave processes behind that never end, of which one is in a session of its own")
	bomb := flag.Bool("bomb", false, "start as many processes as there may be, and never end")
	count := flag.String("count", "", "print how many other processes have this in their command line")
	write := flag.String("write", "", "write to this file, and make its directory")
	window := flag.Bool("window", false, "print the terminal's size, then every line that is typed, until \"exit 3\"")
	flag.Parse()
	switch {
	case *hang:
		time.Sleep(time.Hour)
	case *whoami:
		fmt.Printf("%d:%d\n", os.Getuid(), os.Getgid())
	case *env != "":
		fmt.Println(os.Getenv(*env))
	case *show == "-":
		io.Copy(os.Stdout, os.Stdin)
	case *show != "":
		text, err := os.ReadFile(*show)
		fmt.Print(string(text))
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			*exit = 1
		}
	case *daemon:
		for _, own := range []bool{false, true} {
			leave(own)
		}
	case *bomb:
		for leave(true) == nil {
		}
		time.Sleep(time.Hour)
	case *write != "":
		if err := errors.Join(os.MkdirAll(filepath.Dir(*write), 0o755), os.WriteFile(*write, []byte("written\n"), 0o644)); err != nil {
			fmt.Println(err)
			*exit = 1
		}
	case *count != "":
		fmt.Println(others(*count))
	case *window:
		*exit = talk()
	case *say != "":
		fmt.Print(strings.Repeat(*say+"\n", *repeat))
	}
	if flag.NFlag() > 0 {
		os.Exit(*exit)
	}
	if status, err := strconv.Atoi(os.Getenv("FAIL")); err == nil {
		fmt.Println("failing on purpose")
		os.Exit(status)
	}
	var sick atomic.Bool
	var mu sync.Mutex
	var held [][]byte
	mux := http.NewServeMux()
	handle := func(path string, f func(w http.ResponseWriter, arg func(string) string)) {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) { f(w, r.URL.Query().Get) })
	}
	handle("/healthz", func(w http.ResponseWriter, _ func(string) string) {
		if sick.Load() {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	handle("/sick", func(http.ResponseWriter, func(string) string) { sick.Store(true) })
	handle("/exit", func(_ http.ResponseWriter, arg func(string) string) {
		status, _ := strconv.Atoi(arg("status"))
		os.Exit(status)
	})
	handle("/eat", func(_ http.ResponseWriter, arg func(string) string) {
		n, _ := strconv.Atoi(arg("mib"))
		b := make([]byte, n<<20)
		for i := 0; i < len(b); i += 4096 {
			b[i] = 1
		}
		mu.Lock()
		defer mu.Unlock()
		held = append(held, b)
	})
	handle("/print", func(w http.ResponseWriter, arg func(string) string) {
		// As services do that are told to log to a file of this name.
		out, err := os.OpenFile("/dev/stdout", os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		defer out.Close()
		fmt.Fprintln(out, arg("text"))
	})
	handle("/env", func(w http.ResponseWriter, arg func(string) string) { fmt.Fprint(w, os.Getenv(arg("name"))) })
	handle("/whoami", func(w http.ResponseWriter, _ func(string) string) {
		dir, _ := os.Getwd()
		fmt.Fprintln(w, os.Getuid(), os.Getgid(), dir, os.Getpid())
	})

	server := &http.Server{Addr: ":" + os.Getenv("PORT"), Handler: mux}
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	stopped := make(chan struct{})
	go func() {
		for range term {
			if os.Getenv("STUBBORN") != "" {
				continue
			}
			fmt.Println("stopping")
			server.Shutdown(context.Background())
			close(stopped)
			return
		}
	}()
	fmt.Println("starting")
	if err := server.ListenAndServe(); err != http.ErrServerClosed {
		log.Fatal(err)
	}
	<-stopped
}
