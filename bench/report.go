package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
)

// report is the measurements of a run.
type report struct {
	What    string    `json:"what"`
	CPU     string    `json:"cpu"`
	Device  string    `json:"device"`
	Threads int       `json:"threads"`
	Rounds  int       `json:"turns"`
	Peaks   peaks     `json:"peaks"`
	Rows    []*result `json:"rows"`
	// BatchWait is how long training waits for its batches.
	BatchWait *batchWait `json:"batch_wait,omitempty"`
}

// result is the measurements of one side of a workload.
type result struct {
	Work string `json:"work"`
	Side string `json:"side"`
	Unit string `json:"unit"`
	// Rates are amounts per second, one per turn. Ratios and CPURatios compare them with the first
	// side's in the same turn, by the clock and by CPU time.
	Rates     []float64 `json:"rates"`
	Ratios    []float64 `json:"ratios,omitempty"`
	CPURatios []float64 `json:"cpu_ratios,omitempty"`
	Target    float64   `json:"target,omitempty"`
	// Memory is the peak in bytes: of the process's memory on a CPU, of the GPU's on a GPU.
	// MemoryRatio is the first side's memory divided by this one's.
	Memory      int64   `json:"memory"`
	MemoryRatio float64 `json:"memory_ratio,omitempty"`
	Operations  int64   `json:"operations,omitempty"`
	// Utilization is the fraction of a turn in which the GPU was busy; one per turn, none on a CPU.
	Utilization []float64 `json:"utilization,omitempty"`
	// Roofline is the time of the minimum arithmetic, or of a teacher's reading of its weights, at
	// the device's peak divided by the time taken: CPU time on a CPU.
	Roofline  float64 `json:"roofline,omitempty"`
	Agreement string  `json:"agreement,omitempty"`

	// weights is the bytes that a teacher reads in a step, and batch its rows; 0 if not known.
	weights float64
	batch   int

	cpu, seconds []float64 // CPU-seconds per amount, and seconds in total: of CPU time on a CPU
}

func (b *bench) report(what string) *report {
	return &report{What: what, CPU: cpuModel(), Device: b.device, Threads: b.threads, Rounds: b.pairs}
}

// add adds a turn.
func (r *result) add(x measurement, onGPU bool) {
	r.Rates = append(r.Rates, x.Amount/x.Seconds)
	r.cpu = append(r.cpu, x.CPU/x.Amount)
	if onGPU {
		r.seconds = append(r.seconds, x.Seconds)
		return
	}
	r.seconds = append(r.seconds, x.CPU)
	r.Memory = max(r.Memory, x.Memory)
}

func (r *result) compareTo(first *result) {
	last := len(r.Rates) - 1
	r.Ratios = append(r.Ratios, r.Rates[last]/first.Rates[last])
	r.CPURatios = append(r.CPURatios, first.cpu[last]/r.cpu[last])
	r.MemoryRatio = float64(first.Memory) / float64(r.Memory)
}

// cost returns the median seconds of a turn: of CPU time on a CPU, by the clock on a GPU.
func (r *result) cost() float64 { return median(r.seconds) }

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

func (r *report) writeHeader(out io.Writer) {
	per := "CPU-second"
	if r.Device != "cpu" {
		per = "second"
	}
	fmt.Fprintf(out, "%s, device %s, %d threads, %d turns, at most %.0f GFLOP per %s and %.0f GB/s",
		r.CPU, r.Device, r.Threads, r.Rounds, r.Peaks.GFLOPS, per, r.Peaks.Bandwidth)
	fmt.Fprintf(out, "\n%-28s %-17s %17s %24s %6s %8s %9s %6s %5s %5s  %s\n",
		"workload", "side", "rate (median)", "ratio (min-max)", "target", "CPU", "memory", "ops", "peak", "GPU",
		"agreement")
}

func (r *result) writeLine(out io.Writer) {
	fmt.Fprintf(out, "%-28s %-17s %7.2f %-9s", r.Work, r.Side, median(r.Rates), r.Unit)
	if len(r.Ratios) == 0 {
		fmt.Fprintf(out, " %40s %6.2f GB %6d %5s %5s\n", "",
			float64(r.Memory)/1e9, r.Operations, percent(r.Roofline), r.busy())
		return
	}
	ratio := fmt.Sprintf("%.2fx (%.2f-%.2f)", median(r.Ratios), slices.Min(r.Ratios), slices.Max(r.Ratios))
	fmt.Fprintf(out, " %24s %6s %7.2fx %6.2f GB %6d %5s %5s  %s\n", ratio, times(r.Target), median(r.CPURatios),
		float64(r.Memory)/1e9, r.Operations, percent(r.Roofline), r.busy(), r.Agreement)
}

// busy is the median utilization of the GPU; "" without one.
func (r *result) busy() string {
	if len(r.Utilization) == 0 {
		return ""
	}
	return fmt.Sprintf("%.0f%%", 100*median(r.Utilization))
}

func times(x float64) string {
	if x == 0 {
		return ""
	}
	return fmt.Sprintf("%gx", x)
}

func percent(x float64) string {
	if x == 0 {
		return ""
	}
	return fmt.Sprintf("%.0f%%", 100*x)
}

// saveJSON writes measurements to a file, if one is named.
func saveJSON(path string, r any) error {
	if path == "" {
		return nil
	}
	data, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(data, '\n'), 0o644)
}

// cpuModel returns the name of the machine's CPU.
func cpuModel() string {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err == nil {
		if name := field(string(info), "model name"); name != "" {
			return name
		}
	}
	return runtime.GOARCH
}
