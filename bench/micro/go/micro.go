// micro.go - the Go side of bench/run runtime: one row per run, lines of `name value unit`.
package main

import (
	"fmt"
	"io"
	"math/rand"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

func report(name string, value float64, unit string) {
	fmt.Printf("%s %.1f %s\n", name, value, unit)
}

// CPU time: on one CPU the same as real time, without the neighbours.
func cpuNs() float64 {
	var usage syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return float64(usage.Utime.Nano() + usage.Stime.Nano())
}

func since(start float64) float64 { return cpuNs() - start }

func switchAmong(tasks, total int) {
	var group sync.WaitGroup
	group.Add(tasks)
	each := total / tasks
	start := cpuNs()
	for i := 0; i < tasks; i++ {
		go func() {
			for j := 0; j < each; j++ {
				runtime.Gosched()
			}
			group.Done()
		}()
	}
	group.Wait()
	report("sched-"+strconv.Itoa(tasks), since(start)/float64(each*tasks), "ns")
}

func sched() {
	switchAmong(2, 10000000)
	switchAmong(10000, 10000000)
}

func spawn() {
	const count = 2000000
	var group sync.WaitGroup
	start := cpuNs()
	for i := 0; i < count; i++ {
		group.Add(1)
		go group.Done()
		group.Wait()
	}
	report("spawn", since(start)/count, "ns")
}

func gather() {
	const rounds, members = 1000, 1000
	var group sync.WaitGroup
	start := cpuNs()
	for i := 0; i < rounds; i++ {
		group.Add(members)
		for j := 0; j < members; j++ {
			go group.Done()
		}
		group.Wait()
	}
	report("gather", since(start)/(rounds*members), "ns")
}

func timer() {
	const count = 2000000
	nothing := func() {}
	pending := make([]*time.Timer, 100000)
	for i := range pending {
		pending[i] = time.AfterFunc(1000*time.Second+time.Duration(i)*10*time.Millisecond, nothing)
	}
	start := cpuNs()
	for i := 0; i < count; i++ {
		time.AfterFunc(time.Duration(1+i%1000)*time.Second, nothing).Stop()
	}
	report("timer", since(start)/count, "ns")
	runtime.KeepAlive(pending)
}

func lock() {
	const count = 50000000
	var mutex sync.Mutex
	start := cpuNs()
	for i := 0; i < count; i++ {
		mutex.Lock()
		mutex.Unlock()
	}
	report("lock", since(start)/count, "ns")
}

func queue() {
	const count = 50000000
	channel := make(chan unsafe.Pointer, 64)
	var item unsafe.Pointer
	start := cpuNs()
	for i := 0; i < count; i++ {
		channel <- item
		item = <-channel
	}
	report("queue", since(start)/count, "ns")
}

func handoff() {
	const count = 10000000
	channel := make(chan unsafe.Pointer)
	start := cpuNs()
	go func() {
		for i := 0; i < count; i++ {
			channel <- nil
		}
	}()
	for i := 0; i < count; i++ {
		<-channel
	}
	report("handoff", since(start)/count, "ns")
}

func memoryMiB() float64 {
	status, _ := os.ReadFile("/proc/self/status")
	kib := 0
	for _, line := range strings.Split(string(status), "\n") {
		if strings.HasPrefix(line, "VmRSS:") || strings.HasPrefix(line, "VmPTE:") {
			size, _ := strconv.Atoi(strings.Fields(line)[1])
			kib += size
		}
	}
	return float64(kib) / 1024
}

func sleepers() {
	const count = 1000000
	var started int64
	start := cpuNs()
	for i := 0; i < count; i++ {
		go func() {
			atomic.AddInt64(&started, 1)
			time.Sleep(time.Hour)
		}()
	}
	for atomic.LoadInt64(&started) < count {
		runtime.Gosched()
	}
	report("sleepers-time", since(start)/1e9, "s")
	report("sleepers-memory", memoryMiB(), "MiB")
}

// A block aligned to its size, as O_DIRECT wants it.
func alignedBlock() []byte {
	space := make([]byte, 8192)
	skip := 4096 - int(uintptr(unsafe.Pointer(&space[0]))%4096)
	return space[skip : skip+4096]
}

func readAtDepth(file *os.File, blocks int64, label string, depth int, length time.Duration) {
	var group sync.WaitGroup
	var count int64
	end := time.Now().Add(length)
	before := cpuNs()
	for i := 0; i < depth; i++ {
		group.Add(1)
		go func(source *rand.Rand) {
			block := alignedBlock()
			for time.Now().Before(end) {
				file.ReadAt(block, source.Int63n(blocks)*4096)
				atomic.AddInt64(&count, 1)
			}
			group.Done()
		}(rand.New(rand.NewSource(int64(i))))
	}
	group.Wait()
	name := fmt.Sprintf("reads-%s-%d", label, depth)
	report(name, float64(count)/length.Seconds(), "IOPS")
	report(name+"-cpu", since(before)/float64(count), "ns")
}

func reads(path string, seconds string) {
	length, _ := time.ParseDuration(seconds + "s")
	for label, flag := range map[string]int{"cached": 0, "direct": syscall.O_DIRECT} {
		file, err := os.OpenFile(path, os.O_RDONLY|flag, 0)
		if err != nil {
			continue
		}
		stat, _ := file.Stat()
		for _, depth := range []int{1, 8, 32, 128} {
			readAtDepth(file, stat.Size()/4096, label, depth, length)
		}
		file.Close()
	}
}

func fetch(url string) {
	const atOnce, rounds = 1000, 40
	client := &http.Client{Transport: &http.Transport{
		MaxConnsPerHost: 100, MaxIdleConnsPerHost: 100, MaxIdleConns: 100,
	}}
	all := func() {
		var group sync.WaitGroup
		group.Add(atOnce)
		for i := 0; i < atOnce; i++ {
			go func() {
				defer group.Done()
				response, err := client.Get(url)
				if err != nil {
					panic(err)
				}
				body, err := io.ReadAll(response.Body)
				response.Body.Close()
				if err != nil || response.StatusCode != 200 || len(body) == 0 {
					panic("not what was asked for")
				}
			}()
		}
		group.Wait()
	}
	all()
	start := cpuNs()
	for i := 0; i < rounds; i++ {
		all()
	}
	report("fetch", since(start)/(atOnce*rounds), "ns")
}

func main() {
	rows := map[string]func(){
		"sched": sched, "spawn": spawn, "gather": gather, "timer": timer, "lock": lock,
		"queue": queue, "handoff": handoff, "sleepers": sleepers,
	}
	if os.Args[1] == "reads" {
		reads(os.Args[2], os.Args[3])
	} else if os.Args[1] == "fetch" {
		fetch(os.Args[2])
	} else {
		rows[os.Args[1]]()
	}
}
