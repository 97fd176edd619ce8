<page>
  <p>not a sheet</p>
</page>
