// Makes GET requests one after the other, each on a fresh connection, and prints for each the phases that
// net/http/httptrace tells of, in nanoseconds, as a line of JSON: httptrace URL COUNT INTERVAL.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"os"
	"strconv"
	"time"
)

type phases struct {
	Connect   time.Duration `json:"connect"`
	FirstByte time.Duration `json:"firstByte"`
	Transfer  time.Duration `json:"transfer"`
	Total     time.Duration `json:"total"`
}

func main() {
	url := os.Args[1]
	count, err := strconv.Atoi(os.Args[2])
	fail(err)
	interval, err := time.ParseDuration(os.Args[3])
	fail(err)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	results := make([]phases, 0, count)
	for len(results) < count {
		result, err := get(client, url)
		fail(err)
		results = append(results, result)
		time.Sleep(interval)
	}
	fail(json.NewEncoder(os.Stdout).Encode(results))
}

func get(client *http.Client, url string) (phases, error) {
	var connecting, connected, wrote, answered time.Time
	trace := &httptrace.ClientTrace{
		ConnectStart:         func(string, string) { connecting = time.Now() },
		ConnectDone:          func(string, string, error) { connected = time.Now() },
		WroteRequest:         func(httptrace.WroteRequestInfo) { wrote = time.Now() },
		GotFirstResponseByte: func() { answered = time.Now() },
	}
	request, err := http.NewRequest("GET", url, nil)
	if err != nil {
		return phases{}, err
	}
	response, err := client.Do(request.WithContext(httptrace.WithClientTrace(request.Context(), trace)))
	if err != nil {
		return phases{}, err
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return phases{}, err
	}
	done := time.Now()
	return phases{connected.Sub(connecting), answered.Sub(wrote), done.Sub(answered), done.Sub(connecting)}, nil
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
