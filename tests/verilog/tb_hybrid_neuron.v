// A design of one's own around the neuron: a prescaler keeps it in real time, a switch lets the pulses in.
//
//   memtwin verilog hybrid-neuron -o hybrid_neuron.v
//   iverilog -Wall -o tb tb_hybrid_neuron.v hybrid_neuron.v && vvp tb

`timescale 1ns / 1ps

module pulse_lab (
  input clk,
  input rst,
  input go,
  input [19:0] address,
  input [15:0] data,
  input write,
  input init,
  output ready,
  output clk_level,
  output spike,
  output v_l,
  output t1
);
  // 1.28 MHz: 20 clocks are a substep of 15.625 us.
  reg [4:0] prescaler = 0;
  wire tick = prescaler == 19;
  always @(posedge clk)
    prescaler <= rst || tick ? 5'd0 : prescaler + 5'd1;

  hybrid_neuron neuron (
    .clk(clk),
    .rst(rst),
    .init(init),
    .run(go),
    .tick(tick),
    .pulses(2'b01),
    .learn(1'b0),
    .config__address(address),
    .config__data(data),
    .config__enable(write),
    .config__read(1'b0),
    .idle(ready),
    .clk_level(clk_level),
    .g1(spike),
    .v_l(v_l),
    .node2(),
    .l1(),
    .l2(),
    .t1(t1),
    .t3(),
    .on(),
    .x(),
    .v1(),
    .trace__valid(),
    .trace__word()
  );
endmodule

module tb_hybrid_neuron;
  localparam V_IN = 20'h00006;  // layer1.v_in, see the head of hybrid_neuron.v; UQ(2, 14) V
  localparam CLOCK = 781.25;    // ns

  reg clk = 0;
  reg rst = 1;
  reg go = 0;
  reg init = 0;
  reg write = 0;
  reg [19:0] address = 0;
  reg [15:0] data = 0;
  wire ready, clk_level, spike, v_l, t1;

  pulse_lab lab (
    .clk(clk), .rst(rst), .go(go), .address(address), .data(data), .write(write), .init(init),
    .ready(ready), .clk_level(clk_level), .spike(spike), .v_l(v_l), .t1(t1)
  );

  always #(CLOCK / 2) clk = ~clk;

  // What happened, counted from the last start.
  integer pulses = 0, spikes = 0, first_fire = 0, failures = 0;
  real spike_rose = 0, spike_width = 0, spike_interval = 0, t1_rose = 0, refractory = 0;

  always @(posedge clk_level) pulses = pulses + 1;
  always @(posedge v_l) if (first_fire == 0) first_fire = pulses;
  always @(posedge spike) begin
    if (spikes > 0) spike_interval = $realtime - spike_rose;
    spikes = spikes + 1;
    spike_rose = $realtime;
  end
  always @(negedge spike) spike_width = $realtime - spike_rose;
  always @(posedge t1) t1_rose = $realtime;
  always @(negedge t1) refractory = $realtime - t1_rose;

  task check(input [8 * 40 - 1:0] what, input ok);
    if (ok !== 1'b1) begin
      failures = failures + 1;
      $display("FAIL %0s", what);
    end
  endtask

  // Equal to within two clocks, by which the circuit's own time may wander.
  function near(input real a, input real b);
    near = a - b <= 2 * CLOCK && b - a <= 2 * CLOCK;
  endfunction

  task start;
    begin
      @(negedge clk) init = 1;
      @(negedge clk) init = 0;
      wait (ready);
      pulses = 0;
      spikes = 0;
      first_fire = 0;
      @(negedge clk) go = 1;
    end
  endtask

  task stop;
    begin
      go = 0;
      wait (ready);
    end
  endtask

  initial begin
    repeat (3) @(negedge clk);
    rst = 0;
    wait (ready);
    check("stopped CLK", clk_level == 0 && spike == 0 && v_l == 0);

    // Fig. 3b: 1.8 V fires on the fifth pulse, again and again.
    start;
    wait (spikes == 3 && !spike);
    stop;
    check("fires on the fifth pulse", first_fire == 5);
    check("250 us spike", near(spike_width, 250e3));
    check("500 us refractory period", near(refractory, 500e3));
    check("six clock periods from spike to spike", near(spike_interval, 6 * 500e3));

    // Nothing happens while it is stopped.
    pulses = 0;
    #1e6 check("stopped", pulses == 0 && ready);

    // 2.0 V, written over the bus, fires sooner.
    @(negedge clk) write = 1; address = V_IN; data = 16'h8000;
    @(negedge clk) write = 0;
    start;
    wait (spikes == 2 && !spike);
    stop;
    check("2.0 V fires on the fourth pulse", first_fire == 4);
    check("250 us spike at 2.0 V", near(spike_width, 250e3));

    if (failures == 0) $display("PASS");
    $finish;
  end

  initial #100e6 begin
    $display("FAIL too long");
    $finish;
  end
endmodule
